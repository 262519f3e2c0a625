import type { Word } from './grub-lexer.ts'
import { addMenuItem, LOADERS, READERS } from './grub-menu-item.ts'
import { type Command, plainText } from './grub-parse.ts'
import { expandWords, type GrubState, MAX_CALL_DEPTH, MAX_STEPS } from './grub-state.ts'

/** Marks what the commands could have changed as unknown; nothing is guessed about which of them ran. */
export function forget(state: GrubState, commands: readonly Command[], why: string): void {
  for (const command of commands) {
    state.steps += 1
    if (command.kind === 'if') for (const branch of command.branches) forget(state, branch.body, why)
    if (command.kind === 'if') forget(state, command.otherwise, why)
    if (command.kind === 'opaque') forget(state, command.body, why)
    if (command.kind !== 'simple') continue
    const name = plainText(command.words[0] ?? [])
    if (name === 'set' || name === 'unset') forgetVariable(state, command.words[1])
    else forgetAssigned(state, command.words[0])
    const called = name === null ? undefined : state.functions.get(name)
    if (called !== undefined) forgetCall(state, called, why)
    if (name === 'menuentry' || name === 'submenu') addUncertainItem(state, command, name, why)
    else if (
      isUnknownName(command.words[0]) ||
      name === 'load_env' ||
      LOADERS.has(name ?? '') ||
      READERS.has(name ?? '')
    )
      state.problems.push(`${name ?? 'a command'} depends on ${why}`)
  }
}

/** A command whose name is a variable could be any command. */
function isUnknownName(word: Word | undefined): boolean {
  return word?.[0]?.kind === 'variable'
}

function forgetCall(state: GrubState, body: readonly Command[], why: string): void {
  if (state.depth >= MAX_CALL_DEPTH || state.steps > MAX_STEPS) return
  state.depth += 1
  forget(state, body, why)
  state.depth -= 1
}

function addUncertainItem(
  state: GrubState,
  command: Command & { kind: 'simple' },
  name: 'menuentry' | 'submenu',
  why: string,
): void {
  const { args, unknown } = expandWords(command.words, state.variables)
  addMenuItem(state, command, name, args.slice(1), unknown, why)
}

/** `name=value` without `set` is an assignment too (GRUB 2.06, grub-core/script/execute.c). */
function forgetAssigned(state: GrubState, word: Word | undefined): void {
  const first = word?.[0]
  if (first?.kind === 'text' && /^[A-Za-z_][A-Za-z0-9_]*=/.test(first.text)) forgetVariable(state, word)
}

function forgetVariable(state: GrubState, word: Word | undefined): void {
  const first = word?.[0]
  const name = first?.kind === 'text' ? /^[A-Za-z_0-9]+/.exec(first.text)?.[0] : undefined
  if (name !== undefined) state.variables.set(name, null)
}
