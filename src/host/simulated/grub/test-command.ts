/** What `[` asks about a path on the boot device. */
export type FileKind = 'file' | 'directory' | 'absent'

export type FileFacts = {
  readonly kindOf: (path: string) => FileKind
  readonly sizeOf: (path: string) => number
}

const COMPARE: Readonly<Record<string, (a: string, b: string) => boolean>> = {
  '=': (a, b) => a === b,
  '==': (a, b) => a === b,
  '!=': (a, b) => a !== b,
  '<': (a, b) => a < b,
  '<=': (a, b) => a <= b,
  '>': (a, b) => a > b,
  '>=': (a, b) => a >= b,
  '-eq': (a, b) => toNumber(a) === toNumber(b),
  '-ne': (a, b) => toNumber(a) !== toNumber(b),
  '-ge': (a, b) => toNumber(a) >= toNumber(b),
  '-gt': (a, b) => toNumber(a) > toNumber(b),
  '-le': (a, b) => toNumber(a) <= toNumber(b),
  '-lt': (a, b) => toNumber(a) < toNumber(b),
}

/** `test` and `[` (GRUB 2.06, grub-core/commands/test.c, test_parse): the tests stand in a row, each joined by "and". */
export function evaluateTest(given: readonly string[], files: FileFacts): boolean {
  const args = given.at(-1) === ']' ? given.slice(0, -1) : [...given]
  let at = 0
  const parse = (): boolean => {
    let [and, or, invert] = [true, false, false]
    const update = (value: boolean): void => {
      and = and && (invert ? !value : value)
      invert = false
    }
    while (at < args.length) {
      const [first = '', second = '', third] = args.slice(at)
      const compare = third === undefined ? undefined : COMPARE[second]
      if (compare && third !== undefined) {
        update(compare(first, third))
        at += 3
      } else if (at + 1 < args.length && TESTS[first]) {
        update(TESTS[first](second, files))
        at += 2
      } else if (first === ')') {
        at += 1
        return or || and
      } else if (first === '(') {
        at += 1
        update(parse())
      } else if (first === '!') {
        invert = !invert
        at += 1
      } else if (first === '-a') at += 1
      else if (first === '-o') {
        or = or || and
        and = true
        at += 1
      } else {
        update(first !== '')
        at += 1
      }
    }
    return or || and
  }
  return parse()
}

const TESTS: Readonly<Record<string, (operand: string, files: FileFacts) => boolean>> = {
  '-d': (path, files) => files.kindOf(path) === 'directory',
  '-e': (path, files) => files.kindOf(path) !== 'absent',
  '-f': (path, files) => files.kindOf(path) === 'file',
  '-s': (path, files) => files.sizeOf(path) > 0,
  '-n': (text) => text !== '',
  '-z': (text) => text === '',
}

/** grub_strtosl: the digits at the front, none are 0. */
function toNumber(text: string): number {
  const found = /^\s*(-?)(0x[0-9a-f]+|[0-9]+)/i.exec(text)
  return found ? (found[1] === '-' ? -1 : 1) * Number(found[2]) : 0
}
