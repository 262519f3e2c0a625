import type { Word } from './parse.ts'

/**
 * Arguments from words (GRUB 2.06, script/execute.c, grub_script_arglist_to_argv): an unquoted variable is split at
 * blanks and may vanish, quoted text never does. File name patterns stay as they are: the module `regexp` is not loaded.
 */
export function expandWords(
  words: readonly Word[],
  lookUp: (name: string) => string,
  parameters: readonly string[],
): string[] {
  const out: string[] = []
  let current: string | null = null
  const add = (text: string): void => {
    current = (current ?? '') + text
  }
  const next = (): void => {
    if (current !== null) out.push(current)
    current = null
  }
  for (const word of words) {
    next()
    for (const { kind, text } of word) {
      if (kind === 'quoted') add(text)
      else if (kind === 'bare') {
        if (text !== '') add(text)
      } else {
        for (const [index, value] of valuesOf(text, kind, lookUp, parameters).entries()) {
          if (index > 0) next()
          for (const [n, part] of (kind === 'variable' ? splitAtBlanks(value) : [value]).entries()) {
            if (n > 0) next()
            add(part)
          }
        }
      }
    }
  }
  next()
  return out
}

/** grub_script_env_get: `$@` is several arguments, `$*` one when it is quoted. */
function valuesOf(
  name: string,
  kind: 'variable' | 'quoted-variable',
  lookUp: (name: string) => string,
  parameters: readonly string[],
): readonly string[] {
  if (name === '@') return parameters
  if (name === '*') return kind === 'variable' ? parameters : [parameters.join(' ')]
  if (name === '#') return [String(parameters.length)]
  if (/^[0-9]+$/.test(name))
    return parameters.slice(Number(name) - 1, Number(name)).filter(() => name !== '0')
  const value = lookUp(name)
  return value === '' ? [] : [value]
}

/** grub_isspace: newline, carriage return, space, tab. */
function splitAtBlanks(text: string): readonly string[] {
  return text.split(/[\n\r \t]+/).filter((part) => part !== '')
}

const needsQuotes = (argument: string): boolean => argument.includes(' ')

/** Arguments as a loader hands them over (GRUB 2.06, lib/cmdline.c, grub_create_loader_cmdline). */
export function joinCommandLine(args: readonly string[]): string {
  return args
    .map((argument) => {
      const escaped = argument.replace(/\\x[0-9A-Fa-f]{2}|[\\'"]/g, (found) =>
        found.length > 1 ? found : `\\${found}`,
      )
      return needsQuotes(argument) ? `"${escaped}"` : escaped
    })
    .join(' ')
}
