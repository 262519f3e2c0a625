import { beyondLimits, lookUp, type Variables } from './grub-state.ts'
import type { Word } from './grub-word.ts'

/** Of a command after its variables stand in it: Linux takes 2048 bytes (COMMAND_LINE_SIZE), and `a=$a$a` doubles each time. */
const MAX_EXPANDED_LENGTH = 8192
/** GRUB 2.06, grub-core/kern/misc.c, grub_isspace: these four and no others. */
const BLANKS = /[\n\r \t]+/

/** Words after expansion; `unknown` names the variables whose value cannot be known. */
export type Expanded = { readonly args: string[]; readonly unknown: string[] }

/**
 * Expands words as GRUB 2.06 does (grub-core/script/execute.c, grub_script_arglist_to_argv; script/argv.c): an unquoted
 * variable is split at blanks, those at its ends are dropped, and it vanishes when it is empty; a quoted one stays one
 * argument. An unquoted `*` or `?` may be a pattern of file names (commands/wildcard.c), so its word is not known.
 * @throws Failure `grub-cfg-unreadable` for what grows beyond any command line
 */
export function expandWords(words: readonly Word[], variables: Variables): Expanded {
  const unknown: string[] = []
  const args: (string | null)[] = []
  let length = 0
  const next = (): void => {
    if (args.length === 0 || args.at(-1) !== null) args.push(null)
  }
  const append = (text: string): void => {
    args[args.length - 1] = (args.at(-1) ?? '') + text
  }
  for (const word of words) {
    next()
    for (const part of word) {
      const value = part.kind === 'text' ? part.text : lookUp(variables, part.name)
      if (value === null) unknown.push(part.kind === 'text' ? '' : `$${part.name}`)
      const text = value ?? ''
      length += text.length
      if (length > MAX_EXPANDED_LENGTH)
        throw beyondLimits(`has a command of more than ${MAX_EXPANDED_LENGTH} bytes`)
      if (!part.quoted && /[*?]/.test(text)) unknown.push('a pattern of file names')
      if (part.kind === 'text') {
        if (text !== '' || part.quoted) append(text)
      } else if (part.quoted) {
        if (text !== '') append(text)
      } else {
        for (const [index, piece] of text
          .split(BLANKS)
          .filter((one) => one !== '')
          .entries()) {
          if (index > 0) next()
          append(piece)
        }
      }
    }
  }
  return { args: args.filter((arg) => arg !== null), unknown }
}
