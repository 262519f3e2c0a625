import type { Partition } from './boot-partition.ts'
import { kindOf, readBootFile } from './boot-partition.ts'
import type { Statement, Word } from './grub-script.ts'
import { parseGrubScript } from './grub-script.ts'

/*
 * Runs a parsed grub.cfg. What it does not know it refuses by an exception: a loader that guesses would measure
 * something else than what boots.
 */

export type MenuEntry = {
  readonly title: string
  readonly id: string | null
  readonly isSubmenu: boolean
  readonly body: readonly Statement[]
}

/** A file that GRUB loads, with the words it hands over (without the file's name). */
export type LoadLine = { readonly command: string; readonly path: string; readonly commandLine: string }

export type GrubState = {
  readonly partition: Partition
  readonly uuid: string
  readonly variables: Map<string, string>
  readonly functions: Map<string, readonly Statement[]>
  readonly menu: MenuEntry[]
  readonly loaded: LoadLine[]
  /** The environment block as it will stand on the disk. */
  readonly environment: Map<string, string>
}

/** Commands whose effect on the screen or on GRUB itself does not matter to what is loaded. */
const WITHOUT_EFFECT = new Set([
  'insmod', 'echo', 'true', 'export', 'terminal_output', 'terminal_input', 'serial', 'loadfont', 'load_video', 'clear',
]) // biome-ignore format: one list
const FALSE = 1

function expand(state: GrubState, word: Word): string[] {
  const parts: string[] = []
  let current: string | null = null
  for (const piece of word) {
    if ('text' in piece) current = (current ?? '') + piece.text
    else {
      const value = state.variables.get(piece.variable) ?? ''
      if (piece.quoted) current = (current ?? '') + value
      else {
        const [first = '', ...rest] = value.split(/[ \t]+/)
        if (first !== '') current = (current ?? '') + first
        for (const next of rest) {
          if (current !== null) parts.push(current)
          current = next === '' ? null : next
        }
      }
    }
  }
  return current === null ? parts : [...parts, current]
}

/** A path as GRUB takes it: on the partition that `root` names, which is the one boot partition of the lab. */
function onPartition(state: GrubState, file: string): string {
  const match = /^(?:\((?<device>[^)]*)\))?(?<path>\/.*)$/.exec(file)
  if (!match?.groups) throw new Error(`grub.cfg: not a path: ${file}`)
  const device = match.groups.device ?? state.variables.get('root')
  if (device !== state.variables.get('lab_partition'))
    throw new Error(`grub.cfg: ${file} is on ${device}, not on the boot partition`)
  return match.groups.path as string
}

async function test(state: GrubState, words: readonly string[]): Promise<boolean> {
  const or = words.indexOf('-o')
  if (or > 0) return (await test(state, words.slice(0, or))) || test(state, words.slice(or + 1))
  const and = words.indexOf('-a')
  if (and > 0) return (await test(state, words.slice(0, and))) && test(state, words.slice(and + 1))
  if (words[0] === '!') return !(await test(state, words.slice(1)))
  const [first = '', second, third] = words
  if (words.length <= 1) return first !== ''
  if (words.length === 2 && (first === '-z' || first === '-n')) return (first === '-z') === (second === '')
  if (words.length === 2 && ['-f', '-s', '-d', '-e'].includes(first)) {
    // a name without a leading slash (an empty variable before it) is no file
    if (!/^[(/]/.test(second as string)) return false
    const kind = await kindOf(state.partition, onPartition(state, second as string))
    return first === '-d' ? kind === 'directory' : first === '-e' ? kind !== null : kind === 'file'
  }
  if (words.length === 3 && (second === '=' || second === '==')) return first === third
  if (words.length === 3 && second === '!=') return first !== third
  throw new Error(`grub.cfg: a test that is not known here: ${words.join(' ')}`)
}

/** grub_create_loader_cmdline (GRUB 2.06, lib/cmdline.c): joined by a blank, with blanks quoted and \ ' " escaped. */
function handedOver(words: readonly string[]): string {
  return words
    .map((word) => {
      const escaped = word.replace(/[\\'"]/g, '\\$&')
      return word.includes(' ') ? `"${escaped}"` : escaped
    })
    .join(' ')
}

function search(state: GrubState, words: readonly string[]): number {
  const uuid = words.at(-1)
  if (!words.includes('--fs-uuid') || !words.includes('--set=root'))
    throw new Error(`grub.cfg: a search that is not known here: ${words.join(' ')}`)
  if (uuid?.toLowerCase() !== state.uuid.toLowerCase()) return FALSE
  state.variables.set('root', state.variables.get('lab_partition') as string)
  return 0
}

async function command(state: GrubState, words: readonly string[]): Promise<number> {
  const [name = '', ...rest] = words
  const assignment = /^([A-Za-z_]\w*)=(.*)$/s.exec(name === 'set' ? (rest[0] ?? '') : name)
  if (assignment) state.variables.set(assignment[1] as string, assignment[2] as string)
  else if (name === 'unset') for (const each of rest) state.variables.delete(each)
  else if (name === '[' || name === 'test')
    return (await test(state, name === '[' ? rest.slice(0, -1) : rest)) ? 0 : FALSE
  else if (name === 'false') return FALSE
  else if (name === 'load_env') for (const [key, value] of state.environment) state.variables.set(key, value)
  else if (name === 'save_env')
    for (const each of rest) {
      const value = state.variables.get(each)
      if (value === undefined) state.environment.delete(each)
      else state.environment.set(each, value)
    }
  else if (name === 'increment' || name === 'decrement')
    state.variables.set(
      rest[0] as string,
      String(Number(state.variables.get(rest[0] as string)) + (name === 'increment' ? 1 : -1)),
    )
  else if (name === 'search') return search(state, rest)
  else if (name === 'source') {
    const file = await readBootFile(state.partition, onPartition(state, rest[0] as string))
    return execute(state, parseGrubScript(file.toString('latin1')))
  } else if (/^(multiboot2?|module2?)$/.test(name)) {
    const [file, ...line] = rest.filter((word) => word !== '--nounzip')
    if (rest.includes('--nounzip') && rest[0] !== '--nounzip')
      throw new Error('grub.cfg: --nounzip misplaced')
    if (file === undefined) throw new Error(`grub.cfg: ${name} without a file`)
    state.loaded.push({
      command: rest[0] === '--nounzip' ? `${name} --nounzip` : name,
      path: onPartition(state, file),
      commandLine: handedOver(line),
    })
  } else if (state.functions.has(name)) return execute(state, state.functions.get(name) ?? [])
  else if (!WITHOUT_EFFECT.has(name)) throw new Error(`grub.cfg: a command that is not known here: ${name}`)
  return 0
}

function menuEntry(isSubmenu: boolean, words: readonly string[], body: readonly Statement[]): MenuEntry {
  const at = words.indexOf('--id')
  return { title: words[0] ?? '', id: at < 0 ? null : (words[at + 1] ?? null), isSubmenu, body }
}

/** Runs statements; the answer is the last command's, 0 for success. @throws Error at what is not known here */
export async function execute(state: GrubState, statements: readonly Statement[]): Promise<number> {
  let status = 0
  for (const statement of statements) {
    if (statement.kind === 'function') state.functions.set(statement.name, statement.body)
    else if (statement.kind === 'if') {
      for (const { condition, body } of statement.branches)
        if ((await execute(state, condition)) === 0) {
          status = await execute(state, body)
          break
        }
    } else {
      const words = statement.words.flatMap((word) => expand(state, word))
      if (!statement.block) status = await command(state, words)
      else if (words[0] === 'menuentry' || words[0] === 'submenu')
        state.menu.push(menuEntry(words[0] === 'submenu', words.slice(1), statement.block))
      else throw new Error(`grub.cfg: a block after ${words[0]} is not known here`)
    }
  }
  return status
}
