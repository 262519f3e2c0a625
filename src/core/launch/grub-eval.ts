import { BUILTINS } from './grub-builtins.ts'
import { FUNCTIONS, isHarmless, LOADERS, READERS } from './grub-commands.ts'
import { expandWords } from './grub-expand.ts'
import { forget } from './grub-forget.ts'
import { addMenuItem } from './grub-menu-item.ts'
import type { Command } from './grub-parse.ts'
import { type GrubState, MAX_CALL_DEPTH, MAX_STEPS, setVariable } from './grub-state.ts'
import { evaluateTest } from './grub-test.ts'
import type { Word } from './grub-word.ts'

/** Runs commands; the value is that of the last one as a condition, null when it cannot be known. */
export function runCommands(state: GrubState, commands: readonly Command[]): boolean | null {
  let value: boolean | null = true
  for (const command of commands) {
    state.steps += 1
    if (state.steps > MAX_STEPS) {
      if (state.steps === MAX_STEPS + 1) state.problems.push('grub.cfg runs too many commands')
      return null
    }
    value = runCommand(state, command)
  }
  return value
}

function runCommand(state: GrubState, command: Command): boolean | null {
  if (command.kind === 'function') {
    // GRUB defines it where it reads it, and so before the other commands of its line (parser.y, function).
    if (state.functions.has(command.name))
      state.problems.push(`the function ${command.name} is defined twice`)
    state.functions.set(command.name, command.body)
    return true
  }
  if (command.kind === 'opaque') {
    state.foreign.push(`a ${command.keyword} loop`)
    forget(state, [command], `a ${command.keyword} loop`)
    return null
  }
  return command.kind === 'if' ? runIf(state, command) : runSimple(state, command)
}

function runIf(state: GrubState, command: Command & { kind: 'if' }): boolean | null {
  for (const [index, branch] of command.branches.entries()) {
    state.doubt = null
    const value = runCommands(state, branch.condition)
    if (value === true) return runCommands(state, branch.body)
    if (value === null) {
      const why = state.doubt ?? 'a condition that cannot be evaluated'
      forget(state, branch.body, why)
      for (const rest of command.branches.slice(index + 1))
        forget(state, [...rest.condition, ...rest.body], why)
      forget(state, command.otherwise, why)
      return null
    }
  }
  // No branch is taken: the value is that of the empty list (GRUB 2.06, grub-core/script/execute.c).
  return runCommands(state, command.otherwise)
}

function runSimple(state: GrubState, command: Command & { kind: 'simple' }): boolean | null {
  const { args, unknown } = expandWords(command.words, state.variables)
  if (args.length === 0) return unknown.length === 0 ? true : runNameless(state, unknown)
  const isNegated = args[0] === '!' && args.length > 1
  const named = isNegated ? args.slice(1) : args
  const value = runNamed(state, command, named, unknown)
  return isNegated && value !== null && isCommand(state, named[0]) ? !value : value
}

/** What is neither command nor function is true before `!` is looked at (GRUB 2.06, grub-core/script/execute.c). */
function isCommand(state: GrubState, name = ''): boolean {
  return isGrubCommand(name) || state.functions.has(name)
}

/** A command whose name is a variable could be any command. */
function runNameless(state: GrubState, unknown: readonly string[]): null {
  state.problems.push(`a command is named by ${unknown[0]}`)
  return null
}

function runNamed(
  state: GrubState,
  command: Command & { kind: 'simple' },
  [name = '', ...args]: readonly string[],
  unknown: readonly string[],
): boolean | null {
  const isAssignment = isPlainAssignment(command.words[0])
  if (
    !isAssignment &&
    unknown.length > 0 &&
    expandWords(command.words.slice(0, 1), state.variables).unknown.length > 0
  )
    return runNameless(state, unknown)
  const isKnown = isGrubCommand(name)
  if (isKnown && state.functions.has(name)) {
    state.problems.push(`a function has the name of the command ${name}`)
    return null
  }
  if (name === 'menuentry' || name === 'submenu') return addMenuItem(state, command, name, args, unknown)
  if (command.block !== null) state.foreign.push(`${name} with a block`)
  if (name === '[' || name === 'test') return runTest(state, args, unknown)
  if (LOADERS.has(name)) return addLoad(state, name, args, unknown)
  const builtin = BUILTINS.get(name)
  if (builtin !== undefined) return builtin(state, args, unknown, runCommands)
  const body = state.functions.get(name)
  if (body !== undefined) return callFunction(state, name, body, args)
  if (!isKnown && name.includes('=')) return assign(state, name, unknown.length > 0)
  if (!isKnown && name.startsWith(BYTE_ORDER_MARK)) return true
  if (!isHarmless(name, state.place)) addForeign(state, name)
  return null
}

/** `name=` stands there as it is, whatever follows: no command has such a name. */
function isPlainAssignment(word: Word | undefined): boolean {
  const first = word?.[0]
  return first?.kind === 'text' && /^[A-Za-z_][A-Za-z0-9_]*=/.test(first.text)
}

function isGrubCommand(name: string): boolean {
  const kinds = [LOADERS, READERS, BUILTINS]
  return (
    ['[', 'test', 'menuentry', 'submenu'].includes(name) ||
    kinds.some((kind) => kind.has(name)) ||
    isHarmless(name, 'file')
  )
}

/** UTF-8's, of which GRUB knows nothing: it makes the first word of the file a command that does not exist. */
const BYTE_ORDER_MARK = '\u00ef\u00bb\u00bf'

/** Neither a command of Qubes's scripts nor a function. In an entry it counts where the entry launches measured. */
function addForeign(state: GrubState, name: string): void {
  const shown = name.length > 40 ? `${name.slice(0, 40)}...` : name
  const printable = shown.replace(/[^\x20-\x7e]/g, '?')
  if (state.place === 'item') state.foreign.push(printable)
  else state.problems.push(`grub.cfg runs "${printable}", which no script of Qubes OS or AEM writes there`)
}

/** As a last resort (GRUB 2.06, grub-core/script/execute.c, grub_script_execute_cmdline). */
function assign(state: GrubState, text: string, isUnknown: boolean): boolean {
  const at = text.indexOf('=')
  setVariable(state, text.slice(0, at), isUnknown ? null : text.slice(at + 1))
  return true
}

function runTest(state: GrubState, args: readonly string[], unknown: readonly string[]): boolean | null {
  if (unknown.length > 0) return null
  return evaluateTest(args.at(-1) === ']' ? args.slice(0, -1) : args, state)
}

function callFunction(
  state: GrubState,
  name: string,
  body: readonly Command[],
  args: readonly string[],
): boolean | null {
  if (!FUNCTIONS.has(name)) {
    if (state.place === 'item') state.foreign.push(`the function ${name}`)
    forget(state, body, `whether ${name} is a command of GRUB too`)
    return null
  }
  if (state.depth >= MAX_CALL_DEPTH) {
    state.problems.push('functions of grub.cfg call each other too deeply')
    return null
  }
  const saved = [...state.variables].filter(([variable]) => /^\d+$/.test(variable))
  for (const [variable] of saved) state.variables.delete(variable)
  for (const [index, arg] of args.entries()) state.variables.set(String(index + 1), arg)
  state.depth += 1
  const value = runCommands(state, body)
  state.depth -= 1
  for (const [variable] of [...state.variables]) if (/^\d+$/.test(variable)) state.variables.delete(variable)
  for (const [variable, old] of saved) state.variables.set(variable, old)
  return value
}

function addLoad(
  state: GrubState,
  command: string,
  args: readonly string[],
  unknown: readonly string[],
): boolean | null {
  if (state.place === 'file') addForeign(state, command)
  if (unknown.length > 0) state.problems.push(`${command} uses ${unknown.join(', ')}`)
  state.loads.push({ command, args, unknown, root: state.variables.get('root') ?? null })
  return null
}
