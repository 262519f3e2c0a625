import { describe, expect, it } from 'vitest'
import type { Digests } from '../../../src/core/launch/launch-log.ts'
import { isTelling, type MatchInput, matchModule, roleOf } from '../../../src/core/launch/match-module.ts'
import { type CommandLineRule, moduleDigests } from '../../../src/core/launch/module-digest.ts'
import type { Bank } from '../../../src/core/launch/pcr.ts'
import { digestsOf } from './explain-world.ts'
import { disk, entryOf, imageOf } from './launch-world.ts'

const BOTH: readonly Bank[] = ['sha1', 'sha256']
const KERNEL = disk().kernel
const booted = entryOf(disk())
const images = { '/other': imageOf('other'), [KERNEL.path]: imageOf('kernel') }
const measured = (line: string, content: string): Digests => moduleDigests(line, 'whole', digestsOf(content))

/** The second module of a boot, where the entry has the kernel. */
function match(
  commandLine: string | null,
  digests: Digests,
  changes: Partial<MatchInput> = {},
  rule: CommandLineRule | null = 'whole',
  index = 1,
) {
  const { module, match: isMatch } = matchModule({ commandLine, digests }, index, rule, BOTH, {
    booted,
    images,
    ...changes,
  })
  const { role, path, commandLine: line, unchanged } = module
  return [isMatch, role, path, line, unchanged]
}

describe('a measured module', () => {
  const line = KERNEL.commandLine

  it('is the file of its place, by the line that was logged or the one of the entry', () => {
    expect(match(line, measured(line, 'kernel'))).toEqual([true, 'kernel', KERNEL.path, line, true])
    expect(match('logged', measured('logged', 'kernel'))).toEqual([
      true,
      'kernel',
      KERNEL.path,
      'logged',
      true,
    ])
    expect(match('logged', measured(line, 'kernel'))).toEqual([true, 'kernel', KERNEL.path, line, true])
    expect(match(null, measured(line, 'kernel'))).toEqual([true, 'kernel', KERNEL.path, line, true])
    expect(match(null, digestsOf('kernel'), {}, null)).toEqual([true, 'kernel', KERNEL.path, line, true])
  })

  it('is another file that gives its digest, its own before all others', () => {
    expect(match(line, measured(line, 'other'))).toEqual([true, 'kernel', '/other', line, true])
    const same = { '/copy': imageOf('kernel'), ...images }
    expect(match(line, measured(line, 'kernel'), { images: same })[2]).toBe(KERNEL.path)
    expect(match(line, measured(line, 'other'), { images: { '/other': imageOf('other') } })[2]).toBe('/other')
  })

  it('is a file that is no more, where its digests were noted down', () => {
    const recorded = [
      { path: '/x', digests: digestsOf('x') },
      { path: '/old', digests: digestsOf('old') },
    ]
    expect(match(line, measured(line, 'old'), { recorded })).toEqual([true, 'kernel', '/old', line, false])
  })

  it('is none that gives its digest in one bank alone, or in none', () => {
    const half = { ...measured(line, 'evil'), sha1: measured(line, 'kernel').sha1! }
    expect(match(line, half)).toEqual([false, 'kernel', KERNEL.path, line, false])
    expect(match(line, {})[0]).toBe(false)
    const { sha1 } = measured(line, 'kernel')
    expect(match(line, { sha1: sha1! })[0]).toBe(true)
    const sole = { [KERNEL.path]: { ...imageOf('kernel'), digests: { sha256: digestsOf('kernel').sha256! } } }
    expect(match(line, measured(line, 'kernel'), { images: sole })[0]).toBe(true)
    expect(match(line, { sha1: sha1! }, { images: sole })[0]).toBe(false)
  })

  it('is told by the line that was logged, else by the one of the entry', () => {
    const evil = digestsOf('evil')
    expect(match('logged', evil)).toEqual([false, 'kernel', KERNEL.path, 'logged', false])
    expect(match(null, evil)).toEqual([false, 'kernel', KERNEL.path, line, false])
    expect(match(null, evil, { booted: null })).toEqual([false, 'kernel', null, null, false])
    expect(match('', evil, {}, 'whole', 9)).toEqual([false, 'module', null, '', false])
  })

  it('has the role of its place where no entry tells, and under TrenchBoot the first is the kernel', () => {
    const roles = (rule: CommandLineRule | null) =>
      [0, 1, 2, 3].map((index) => match(null, digestsOf('evil'), { booted: null }, rule, index)[1])
    expect(roles('whole')).toEqual(['xen', 'kernel', 'initramfs', 'module'])
    expect(roles(null)).toEqual(['kernel', 'initramfs', 'module', 'module'])
    expect([0, 1, 2, 3].map(roleOf)).toEqual(['xen', 'kernel', 'initramfs', 'module'])
  })

  it('has the role that its entry gives it, wherever it stands', () => {
    const modules = booted.modules.map((one) => ({ ...one, role: 'module' as const }))
    expect(match(line, digestsOf('evil'), { booted: { ...booted, modules } })[1]).toBe('module')
  })

  it.each([
    ['a b', 'whole', true],
    ['a b', 'first-word-stripped', true],
    ['', 'whole', false],
    [null, 'first-word-stripped', false],
  ] as const)('with the line %j tells the rule %s from the other: %s', (commandLine, rule, tells) => {
    expect(isTelling({ role: 'kernel', path: null, commandLine, digests: {}, unchanged: true }, rule)).toBe(
      tells,
    )
  })
})
