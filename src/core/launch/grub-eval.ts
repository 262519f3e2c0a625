import { forget } from './grub-forget.ts'
import { addMenuItem, LOADERS, READERS } from './grub-menu-item.ts'
import type { Command } from './grub-parse.ts'
import { expandWords, type GrubState, MAX_CALL_DEPTH, MAX_STEPS, MAX_VARIABLES } from './grub-state.ts'
import { evaluateTest } from './grub-test.ts'

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
    state.functions.set(command.name, command.body)
    return true
  }
  if (command.kind === 'opaque') {
    forget(state, command.body, `a ${command.keyword} loop`)
    return null
  }
  return command.kind === 'if' ? runIf(state, command) : runSimple(state, command)
}

function runIf(state: GrubState, command: Command & { kind: 'if' }): boolean | null {
  for (const branch of command.branches) {
    const value = runCommands(state, branch.condition)
    if (value === true) return runCommands(state, branch.body)
    if (value === null) {
      const rest = command.branches.slice(command.branches.indexOf(branch))
      for (const body of [...rest.map((one) => one.body), command.otherwise])
        forget(state, body, 'a condition that cannot be evaluated')
      return null
    }
  }
  return runCommands(state, command.otherwise)
}

function runSimple(state: GrubState, command: Command & { kind: 'simple' }): boolean | null {
  const { args, unknown } = expandWords(command.words, state.variables)
  const [name, ...rest] = args
  if (name === undefined) return true
  if (name === 'menuentry' || name === 'submenu') return addMenuItem(state, command, name, rest, unknown)
  if (name === '[' || name === 'test') return runTest(state, name, rest, unknown)
  if (name === 'true' || name === 'false') return name === 'true'
  const body = state.functions.get(name)
  if (body !== undefined) return callFunction(state, body, rest)
  if (LOADERS.has(name)) return addLoad(state, name, rest, unknown)
  if (/^[A-Za-z_][A-Za-z0-9_]*=/.test(name)) return setVariable(state, name, unknown.length > 0)
  if (READERS.has(name)) state.problems.push(`${name} reads entries from elsewhere`)
  return runBuiltin(state, name, rest, unknown)
}

function runTest(state: GrubState, name: string, args: string[], unknown: readonly string[]): boolean | null {
  const isGrubenv = args.some((arg) => arg.endsWith('/grubenv'))
  if (unknown.length > 0 && !isGrubenv) return null
  return evaluateTest(name === '[' ? args.slice(0, args.at(-1) === ']' ? -1 : undefined) : args, state.world)
}

function runBuiltin(
  state: GrubState,
  name: string,
  args: readonly string[],
  unknown: readonly string[],
): boolean | null {
  if (name === 'set') return setVariable(state, args[0], unknown.length > 0)
  if (name === 'unset') for (const one of args) state.variables.delete(one)
  else if (name === 'insmod') for (const one of args) state.insmods.add(one)
  else if (name === 'load_env') return loadEnv(state, args)
  else if (name === 'search' || name.startsWith('search.')) return forgetSearched(state, args)
  else if (!['export', 'save_env', 'echo'].includes(name)) return null
  return true
}

function setVariable(state: GrubState, assignment: string | undefined, isUnknown: boolean): boolean {
  const match = /^([^=]+)=([\s\S]*)$/.exec(assignment ?? '')
  if (!match) return true
  if (state.variables.size < MAX_VARIABLES || state.variables.has(match[1]!))
    state.variables.set(match[1]!, isUnknown ? null : match[2]!)
  else state.problems.push('grub.cfg sets too many variables')
  return true
}

function loadEnv(state: GrubState, args: readonly string[]): boolean | null {
  if (args.some((arg) => arg.startsWith('-'))) {
    for (const name of ['saved_entry', 'next_entry', 'default']) state.variables.set(name, null)
    return null
  }
  for (const [name, value] of Object.entries(state.world.grubenv ?? {}))
    if (args.length === 0 || args.includes(name)) state.variables.set(name, value)
  return state.world.grubenv !== null
}

function forgetSearched(state: GrubState, args: readonly string[]): null {
  const option = args.find((arg) => arg.startsWith('--set'))
  const name = option?.includes('=') ? option.slice(option.indexOf('=') + 1) : 'root'
  state.variables.set(name, null)
  return null
}

function callFunction(state: GrubState, body: readonly Command[], args: readonly string[]): boolean | null {
  if (state.depth >= MAX_CALL_DEPTH) {
    state.problems.push('functions of grub.cfg call each other too deeply')
    return null
  }
  const saved = [...state.variables].filter(([name]) => /^\d+$/.test(name))
  for (const [name] of saved) state.variables.delete(name)
  for (const [index, arg] of args.entries()) state.variables.set(String(index + 1), arg)
  state.depth += 1
  const value = runCommands(state, body)
  state.depth -= 1
  for (const [name] of [...state.variables]) if (/^\d+$/.test(name)) state.variables.delete(name)
  for (const [name, old] of saved) state.variables.set(name, old)
  return value
}

function addLoad(
  state: GrubState,
  command: string,
  args: readonly string[],
  unknown: readonly string[],
): boolean {
  // A device in front of a path does not enter a measurement; which device it is, the reader of the line decides.
  const harmful = unknown.filter((name) => name !== 'root' && name !== 'root_dev' && name !== 'esp_dev')
  if (harmful.length > 0) state.problems.push(`${command} uses ${harmful.map((n) => `$${n}`).join(', ')}`)
  state.loads.push({ command, args, unknown, root: state.variables.get('root') ?? null })
  return true
}
