import { expect, it } from 'vitest'
import { isSinceBoot } from '../../../src/core/decide/since-boot.ts'

it.each([
  ['what is older than the boot', 10, 20, 30, false],
  ['what is as old as the boot', 20, 20, 30, false],
  ['what came since', 25, 20, 30, true],
  ['what came just now', 30, 20, 30, true],
  ['what lies after the present: the clock was set back', 31, 20, 30, null],
  ['what lies after the present, in the very moment of the boot', 31, 20, 20, null],
  ['what came since, where the present itself is not known', 25, 20, 0, true],
])('%s', (_, at, bootedAt, now, expected) => {
  expect(isSinceBoot(at, bootedAt, () => new Date(now))).toBe(expected)
})
