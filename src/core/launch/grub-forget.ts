import { isHarmless, READERS } from './grub-commands.ts'
import { expandWords } from './grub-expand.ts'
import { addMenuItem } from './grub-menu-item.ts'
import type { Command } from './grub-parse.ts'
import { type GrubState, MAX_CALL_DEPTH, MAX_STEPS } from './grub-state.ts'
import { plainText, type Word } from './grub-word.ts'

/** Marks what the commands could have changed as unknown; nothing is guessed about which of them ran. */
export function forget(state: GrubState, commands: readonly Command[], why: string): void {
  for (const command of commands) {
    state.steps += 1
    if (command.kind === 'if') {
      for (const branch of command.branches) forget(state, [...branch.condition, ...branch.body], why)
      forget(state, command.otherwise, why)
    } else if (command.kind === 'opaque') {
      if (command.variable !== null) state.variables.set(command.variable, null)
      forget(state, command.body, why)
    } else if (command.kind === 'simple') forgetSimple(state, command, why)
  }
}

const NO_EFFECT: ReadonlySet<string> = new Set(['[', 'test', 'true', 'false'])

function forgetSimple(state: GrubState, command: Command & { kind: 'simple' }, why: string): void {
  const [word, ...rest] = command.words
  const assigned = assignedName(word)
  if (assigned !== null) {
    state.variables.set(assigned, null)
    return
  }
  const name = plainText(word ?? [])
  if (name === null) state.problems.push(`a command whose name is not known depends on ${why}`)
  else if (name === 'set' || name === 'unset' || name === 'increment' || name === 'decrement')
    forgetVariables(state, name, rest, why)
  else if (name === 'menuentry' || name === 'submenu') {
    const { args, unknown } = expandWords(command.words, state.variables)
    addMenuItem(state, command, name, args.slice(1), unknown, why)
  } else if (
    name === 'search' ||
    name === 'load_env' ||
    name === 'source' ||
    name === '.' ||
    READERS.has(name)
  )
    state.problems.push(`${name} depends on ${why}`)
  else if (state.functions.has(name)) forgetCall(state, state.functions.get(name)!, why)
  else if (!NO_EFFECT.has(name) && !isHarmless(name, state.place))
    state.problems.push(`${name} depends on ${why}`)
}

function forgetVariables(state: GrubState, name: string, words: readonly Word[], why: string): void {
  for (const word of words) {
    const variable = assignedName(word) ?? plainText(word)
    if (variable !== null) state.variables.set(variable, null)
    else state.problems.push(`${name} of a variable whose name is not known depends on ${why}`)
  }
}

function forgetCall(state: GrubState, body: readonly Command[], why: string): void {
  if (state.depth >= MAX_CALL_DEPTH || state.steps > MAX_STEPS) return
  state.depth += 1
  forget(state, body, why)
  state.depth -= 1
}

/** `name=value` without `set` is an assignment too (GRUB 2.06, grub-core/script/execute.c). */
function assignedName(word: Word | undefined): string | null {
  const first = word?.[0]
  return first?.kind === 'text' ? (/^([A-Za-z_0-9]+)=/.exec(first.text)?.[1] ?? null) : null
}
