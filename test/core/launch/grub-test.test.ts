/* Long: one table for each kind of test. */
import { describe, expect, it } from 'vitest'
import { searchedDevice } from '../../../src/core/launch/grub-device.ts'
import { newGrubState } from '../../../src/core/launch/grub-state.ts'
import { evaluateTest } from '../../../src/core/launch/grub-test.ts'
import { deviceWith } from './grub-world.ts'

/* GRUB 2.06, grub-core/commands/test.c, test_parse: -d, -e, -f and -s. */
describe("GRUB's tests of a file", () => {
  const world = deviceWith({ custom: 'set a=b\n', user: '', grubenv: 'absent' })
  const truth = (test: string, path: string) => evaluateTest([test, path], newGrubState(world))
  const PATHS = ['/grub2/custom.cfg', '/grub2/user.cfg', '/aem', '/grub2/grubenv']

  it.each([
    ['-e', [true, true, true, false]],
    ['-f', [true, true, false, false]],
    ['-s', [true, false, false, false]],
    ['-d', [false, false, true, false]],
  ])('%s of a file, an empty one, a directory and nothing', (test, wanted) => {
    expect(PATHS.map((path) => truth(test, path))).toEqual(wanted)
  })

  it.each(['-e', '-f', '-s', '-d'])('%s of what nobody looked for is not known', (test) => {
    expect(truth(test, '/grub2/other.cfg')).toBeNull()
  })
})

describe('a test behind "!"', () => {
  const world = deviceWith({ custom: 'set a=b\n' })
  const truth = (...args: string[]) => evaluateTest(args, newGrubState(world))

  it.each([
    [['-f', '/grub2/custom.cfg'], false],
    [['-f', '/grub2/user.cfg'], true],
    [['-f', '/grub2/other.cfg'], null],
    [['a', '=', 'b'], true],
    [[''], true],
    [['(', '-d', '/aem', ')'], false],
  ])('%j is turned round', (test, wanted) => {
    expect(truth('!', ...test)).toBe(wanted)
    expect(truth('!', '!', ...test)).toBe(wanted === null ? null : !wanted)
  })

  it('is the next one alone', () => {
    expect(truth('!', 'a', '=', 'b', 'a', '=', 'a')).toBe(true)
    expect(truth('!', 'a', '=', 'b', 'a', '=', 'b')).toBe(false)
  })
})

/* GRUB 2.06, grub-core/commands/test.c, test_parse. */
describe('a test', () => {
  const world = deviceWith({ custom: 'set a=b\n' })
  const truth = (text: string) => evaluateTest(text === '' ? [] : text.split(' '), newGrubState(world))
  /** Nobody looked for it. */
  const MAYBE = '-f /grub2/other.cfg'

  it.each([
    ['a = a', true],
    ['a = b', false],
    ['a == a', true],
    ['a == b', false],
    ['a != a', false],
    ['a != b', true],
    ['-n = -n', true],
    ['! = !', true],
    ['( = (', true],
    ['3 -eq 3', true],
    ['3 -eq 4', false],
    ['3 -ne 3', false],
    ['3 -ne 4', true],
    ['3 -gt 2', true],
    ['3 -gt 3', false],
    ['2 -gt 3', false],
    ['2 -lt 3', true],
    ['3 -lt 3', false],
    ['3 -lt 2', false],
    ['3 -ge 2', true],
    ['3 -ge 3', true],
    ['2 -ge 3', false],
    ['2 -le 3', true],
    ['3 -le 3', true],
    ['3 -le 2', false],
    ['-2 -lt -1', true],
    ['10 -gt 9', true],
    ['999999999 -gt 99999999', true],
  ])('that compares two words: %s is %s', (text, wanted) => {
    expect(truth(text)).toBe(wanted)
  })

  it.each([
    ...[
      '01 -eq 1',
      '1 -eq 01',
      '0x1 -eq 1',
      '1a -eq 1',
      'a1 -eq 1',
      '1 -eq a',
      '1 -eq 1000000000',
      '+1 -eq 1',
    ],
    ...['a < b', 'a <= b', 'a > b', 'a >= b', 'v-2 -pgt v-11', 'v-2 -plt v-11'],
    ...['/a -nt /b', '/a -ot /b', '/a -nt5 /b', '/a -ot-5 /b'],
  ])('that GRUB compares in a way of its own is not known: %s', (text) => {
    expect(truth(text)).toBeNull()
    // It took three words.
    expect(truth(`${text} a = b`)).toBe(false)
    expect(truth(`${text} -o a = a`)).toBe(true)
  })

  it.each([
    ['-n a', true],
    ['-z a', false],
    ['-n', true],
    ['-z', true],
    ['-f', true],
    ['-nt', true],
    ['a -nt', true],
    ['-e a =', null],
    ['-x a', true],
    ['-nz a', true],
    ['a-n a', true],
    ['/a x-nt /b', true],
    ['a =', true],
    ['!', true],
    ['a = a !', true],
    ['! -a a = b', true],
    ['a', true],
    ['', true],
  ])('of fewer words: %j is %s', (text, wanted) => {
    expect(truth(text)).toBe(wanted)
  })

  it.each([
    [['-n', ''], false],
    [['-z', ''], true],
    [[''], false],
    [['', '=', ''], true],
    [['', '-eq', '0'], null],
    [['-nt', ''], false],
    [['', 'x-nt', ''], false],
    [['x-n', ''], false],
  ])('of empty words: %j is %s', (args, wanted) => {
    expect(evaluateTest(args, newGrubState(world))).toBe(wanted)
  })

  it.each([
    ['a = a b = b', true],
    ['a = a a = b', false],
    ['a = b a = a', false],
    ['a = a -a b = b', true],
    ['a = a -a a = b', false],
    ['a = b -o a = a', true],
    ['a = a -o a = b', true],
    ['a = b -o a = b', false],
    ['a = a -o a = b -a a = b', true],
    ['a = b -a a = b -o a = a', true],
    ['a = b -a ( a = b -o a = a )', false],
    ['( a = b -o a = a ) -a a = a', true],
    ['( a = b ) -o ( a = a )', true],
    ['( a = a ( a = b -o a = a ) ) a = a', true],
    ['( a = a ) a = b', false],
    ['( a = b ) a = a', false],
    ['! ( a = b )', true],
    ['! ( a = a ) a = a', false],
    ['a = a ) a = b', true],
    ['a = b ) a = a', false],
    ['( ( a = a ) ) ) a = b', true],
    [') a = b', true],
    [`${MAYBE}`, null],
    [`${MAYBE} a = b`, false],
    [`a = b ${MAYBE}`, false],
    [`a = a ${MAYBE}`, null],
    [`${MAYBE} a = a`, null],
    [`${MAYBE} -o a = a`, true],
    [`a = a -o ${MAYBE}`, true],
    [`a = b -o ${MAYBE}`, null],
    [`${MAYBE} -o a = b`, null],
    [`! ${MAYBE} a = b`, false],
    [`( ${MAYBE} ) -o a = a`, true],
  ])('of several: %s is %s', (text, wanted) => {
    expect(truth(text)).toBe(wanted)
  })

  it('in brackets is followed sixteen deep', () => {
    const nested = (depth: number) => truth(`${'( '.repeat(depth)}a = a${' )'.repeat(depth)}`)
    expect([nested(16), nested(17)]).toEqual([true, null])
    // Those that are closed do not count.
    expect(truth('( a = a ) '.repeat(40).trim())).toBe(true)
  })

  it('of the name of a device is known where both are the same name alone', () => {
    const state = newGrubState(world)
    const device = searchedDevice('12ab')
    const of = (...args: string[]) => evaluateTest(args, state)
    expect([of(device, '=', device), of(device, '!=', device)]).toEqual([true, false])
    for (const [a, b] of [
      [device, 'hd0'],
      ['hd0', device],
      [device, searchedDevice('34cd')],
      [state.variables.get('root')!, 'hd0,gpt2'],
      [`x${device}`, 'x'],
    ] as const)
      for (const sign of ['=', '==', '!=']) expect(of(a, sign, b)).toBeNull()
  })

  it('of a file that nobody looked for says of which', () => {
    const doubtOf = (path: string) => {
      const state = newGrubState(world)
      evaluateTest(['-d', path], state)
      return state.doubt
    }
    expect(doubtOf('/aem2/')).toBe('whether aem2/ is on the device: nobody looked for it')
    expect(doubtOf('/a/b\u00e4')).toBe('whether b? is on the device: nobody looked for it')
    expect(doubtOf('(hd1)/aem')).toBe('whether aem is on the device: it lies elsewhere')
    expect(doubtOf('/aem')).toBeNull()
  })
})
