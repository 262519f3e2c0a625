import { findFile, hasDeviceMark } from './grub-device.ts'
import type { GrubState } from './grub-state.ts'

/** True, false, or null where it cannot be known. */
type Truth = boolean | null

const not = (value: Truth): Truth => (value === null ? null : !value)
const and = (a: Truth, b: Truth): Truth =>
  a === false || b === false ? false : a === null || b === null ? null : true
const or = (a: Truth, b: Truth): Truth => not(and(not(a), not(b)))

type TestState = { readonly args: readonly string[]; at: number; depth: number; readonly grub: GrubState }

/** GRUB 2.06, grub-core/commands/test.c, MAX_TEST_RECURSION_DEPTH; far fewer are written. */
const MAX_DEPTH = 16

/**
 * The value of GRUB's `[ ... ]` (GRUB 2.06, grub-core/commands/test.c, test_parse), or null when it cannot be known, as
 * for a file that nobody looked for. Tests in a row are joined by "and"; `-o` binds less.
 * @param args without the brackets, already expanded
 */
export function evaluateTest(args: readonly string[], grub: GrubState): Truth {
  return parseTests({ args, at: 0, depth: 0, grub })
}

function parseTests(state: TestState): Truth {
  let all: Truth = true
  let any: Truth = false
  let isInverted = false
  const update = (value: Truth): void => {
    all = and(all, isInverted ? not(value) : value)
    isInverted = false
  }
  while (state.at < state.args.length) {
    const value = takeTest(state)
    if (value !== undefined) {
      update(value)
      continue
    }
    const word = state.args[state.at++]!
    if (word === ')') {
      if (state.depth > 0) state.depth -= 1
      break
    }
    if (word === '(') {
      state.depth += 1
      if (state.depth > MAX_DEPTH) return null
      update(parseTests(state))
    } else if (word === '!') isInverted = !isInverted
    else if (word === '-o') {
      any = or(any, all)
      all = true
    } else if (word !== '-a') update(word !== '')
  }
  return or(any, all)
}

type Compare = (a: string, b: string) => Truth

function compareText(holds: (a: string, b: string) => boolean): Compare {
  // Two names of devices are the same where they are the same name; else nobody knows.
  return (a, b) => (a !== b && (hasDeviceMark(a) || hasDeviceMark(b)) ? null : holds(a, b))
}

function compareNumbers(holds: (a: number, b: number) => boolean): Compare {
  return (a, b) => {
    const [left, right] = [readNumber(a), readNumber(b)]
    return left === null || right === null ? null : holds(left, right)
  }
}

/** A number as people write it; of other forms GRUB takes what it can, which is not followed here. */
function readNumber(text: string): number | null {
  return /^-?(?:0|[1-9][0-9]{0,8})$/.test(text) ? Number(text) : null
}

const COMPARISONS = new Map<string, Compare>([
  ['=', compareText((a, b) => a === b)],
  ['==', compareText((a, b) => a === b)],
  ['!=', compareText((a, b) => a !== b)],
  ...['<', '<=', '>', '>=', '-pgt', '-plt'].map((name): [string, Compare] => [name, () => null]),
  ['-eq', compareNumbers((a, b) => a === b)],
  ['-ne', compareNumbers((a, b) => a !== b)],
  ['-gt', compareNumbers((a, b) => a > b)],
  ['-lt', compareNumbers((a, b) => a < b)],
  ['-ge', compareNumbers((a, b) => a >= b)],
  ['-le', compareNumbers((a, b) => a <= b)],
])

/** A test of three or two words; undefined where none begins here. */
function takeTest(state: TestState): Truth | undefined {
  const [first, second, third] = state.args.slice(state.at, state.at + 3)
  if (first === undefined || second === undefined) return undefined
  const compare = third === undefined ? undefined : COMPARISONS.get(second)
  if (compare !== undefined || (third !== undefined && /^-[no]t/.test(second))) {
    state.at += 3
    return compare === undefined ? null : compare(first, third!)
  }
  if (!/^-[defsnz]$/.test(first)) return undefined
  state.at += 2
  if (first === '-n') return second !== ''
  if (first === '-z') return second === ''
  return testFile(first, second, state.grub)
}

function testFile(test: string, path: string, grub: GrubState): Truth {
  const found = findFile(grub, path)
  if (found.state === 'unknown') {
    const name = path.slice(path.lastIndexOf('/', path.length - 2) + 1).replace(/[^\x20-\x7e]/g, '?')
    grub.doubt = `whether ${name} is on the device: ${found.why}`
    return null
  }
  if (test === '-e') return found.state !== 'absent'
  if (test === '-d') return found.state === 'directory'
  if (found.state !== 'file') return false
  return test === '-f' || found.text !== ''
}
