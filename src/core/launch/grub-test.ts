import type { GrubWorld } from './grub-state.ts'

type TestState = { readonly args: readonly string[]; at: number; readonly world: GrubWorld }

/**
 * The value of GRUB's `[ ... ]` (GRUB 2.06, grub-core/commands/test.c), or null when it cannot be known, as
 * for a file that nobody looked for.
 * @param args without the brackets, already expanded
 */
export function evaluateTest(args: readonly string[], world: GrubWorld): boolean | null {
  const state: TestState = { args, at: 0, world }
  const value = evaluateOr(state)
  return state.at === args.length ? value : null
}

function evaluateOr(state: TestState): boolean | null {
  let value = evaluateAnd(state)
  while (state.args[state.at] === '-o') {
    state.at += 1
    const right = evaluateAnd(state)
    value = value === true || right === true ? true : value === null || right === null ? null : false
  }
  return value
}

function evaluateAnd(state: TestState): boolean | null {
  let value = evaluateNot(state)
  while (state.args[state.at] === '-a') {
    state.at += 1
    const right = evaluateNot(state)
    value = value === false || right === false ? false : value === null || right === null ? null : true
  }
  return value
}

function evaluateNot(state: TestState): boolean | null {
  if (state.args[state.at] !== '!') return evaluatePrimary(state)
  state.at += 1
  const value = evaluateNot(state)
  return value === null ? null : !value
}

const COMPARISONS: Readonly<Record<string, (a: string, b: string) => boolean>> = {
  '=': (a, b) => a === b,
  '==': (a, b) => a === b,
  '!=': (a, b) => a !== b,
  '-eq': (a, b) => Number(a) === Number(b),
  '-ne': (a, b) => Number(a) !== Number(b),
  '-gt': (a, b) => Number(a) > Number(b),
  '-lt': (a, b) => Number(a) < Number(b),
  '-ge': (a, b) => Number(a) >= Number(b),
  '-le': (a, b) => Number(a) <= Number(b),
}

function evaluatePrimary(state: TestState): boolean | null {
  const [first, second, third] = state.args.slice(state.at, state.at + 3)
  if (first === undefined) return false
  const compare = second === undefined ? undefined : COMPARISONS[second]
  if (compare !== undefined && third !== undefined) {
    state.at += 3
    return compare(first, third)
  }
  if (second !== undefined && /^-[nzdefs]$/.test(first) && second !== '-a' && second !== '-o') {
    state.at += 2
    if (first === '-n') return second !== ''
    if (first === '-z') return second === ''
    return doesExist(second, state.world)
  }
  state.at += 1
  return first !== ''
}

function doesExist(path: string, world: GrubWorld): boolean | null {
  if (path.endsWith('/grubenv')) return world.grubenv !== null
  return world.existingPaths[path] ?? null
}
