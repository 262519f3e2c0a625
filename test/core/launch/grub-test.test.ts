import { describe, expect, it } from 'vitest'
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
