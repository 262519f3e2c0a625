/* Long: each part that goes into the one answer, and what must not come of it. */

import { describe, expect, it } from 'vitest'
import type { ChangeFacts } from '../../src/core/decide/explain-change.ts'
import type { Explanation as LaunchExplanation } from '../../src/core/launch/explain-types.ts'
import type { KeptReproductions } from '../../src/observe/launch/since-start.ts'
import { combine, numberBulletins } from '../../src/observe/launch/verdict.ts'

/* What the launch log says of this boot, put together with what its files and packages say. */

const XEN = { role: 'xen', path: '/boot/xen-4.17.4.gz', before: 'aa', now: 'aa' }
const IMAGE = '/initramfs-6.6.36-1.qubes.fc37.x86_64.img'

const FILES_FINE: ChangeFacts = {
  pcrs: [{ index: 18, before: 'aa', now: 'bb' }],
  files: [XEN],
  packages: [{ name: 'xen-hypervisor', isVerified: true }],
  xen: { runningBuildId: 'cc', installedBuildId: 'cc' },
}

const rowOf = (index: number, change: 'none' | 'expected', bulletins: readonly (string | null)[] = []) => ({
  index,
  bank: 'sha256' as const,
  before: 'aa',
  now: change === 'none' ? 'aa' : 'bb',
  predicted: null,
  change,
  causes: bulletins.map((bulletin) => ({
    role: 'xen' as const,
    path: '/xen-4.17.4.gz',
    digestBefore: 'aa',
    digestNow: 'bb',
    package: null,
    bulletin,
  })),
})

const NOTED = {
  code: 'log-missing',
  pcr: 18,
  what: 'what the log says',
  next: 'what helps',
  isBlocking: false,
} as const

function look(
  explained: Partial<LaunchExplanation> = {},
  facts: Partial<ChangeFacts> = {},
  told: Partial<Parameters<typeof combine>[2]> = {},
) {
  const launch = {
    verdict: 'explained' as const,
    alreadyResealed: false,
    pcrs: [rowOf(18, 'expected'), rowOf(19, 'none')],
    reasons: [NOTED],
    advice: [],
    ...explained,
  }
  const kept = { reproductions: [], accepted: [] }
  return combine(launch, { ...FILES_FINE, ...facts }, { bulletinPcrs: [], later: [], kept, ...told })
}

const codesOf = ({ reasons }: ReturnType<typeof look>): readonly string[] =>
  reasons.map(({ code, isBlocking }) => `${code}${isBlocking ? ' (blocking)' : ''}`)

describe('where files and packages account for the change', () => {
  it.each(['unchanged', 'explained', 'not-computable', 'unexplained', 'no-baseline'] as const)(
    'the launch log has the word: %s',
    (verdict) => {
      const found = look({ verdict })
      expect(found).toMatchObject({ verdict, alreadyResealed: false, prepared: null })
      expect(codesOf(found)).toEqual(['log-missing'])
    },
  )

  it('what is to be done follows from the verdict, and from whether AEM sealed already', () => {
    expect(look().advice).toEqual([])
    const [first, ...more] = look({ verdict: 'unexplained' }).advice
    expect(first).toMatch(/^power off now/)
    const resealed = look({ verdict: 'unexplained', alreadyResealed: true }).advice
    expect(resealed).toEqual([first, ...more, expect.stringMatching(/^change the secret/)])
  })
})

describe('what speaks against the files', () => {
  it.each([
    ['a Xen that is another file', { files: [{ ...XEN, now: 'bb' }] }, 'boot-file-changed'],
    [
      'a package that is not verified',
      { packages: [{ name: 'xen', isVerified: false }] },
      'package-not-verified',
    ],
    ['a command line', { commandLines: ['+ init=/bin/sh'] }, 'command-line-not-expected'],
  ])('%s makes any change unexplained, and is told beside what the log says', (_, facts, code) => {
    for (const verdict of ['unchanged', 'explained', 'not-computable'] as const) {
      const found = look({ verdict }, facts)
      expect(found.verdict).toBe('unexplained')
      expect(codesOf(found)).toEqual(['log-missing', `${code} (blocking)`])
      expect(found.reasons[1]).toMatchObject({ what: expect.stringMatching(/\S/), next: null })
      expect(found.advice[0]).toMatch(/^power off now/)
    }
  })

  it('a register that cannot be read is told once, by the launch log', () => {
    const unreadable = { ...NOTED, code: 'pcr-unreadable' as const, isBlocking: true }
    const found = look(
      { verdict: 'unexplained', reasons: [unreadable] },
      { pcrs: [{ index: 18, before: null, now: 'bb' }] },
    )
    expect(found.verdict).toBe('unexplained')
    expect(codesOf(found)).toEqual(['pcr-unreadable (blocking)'])
  })
})

describe('an initramfs that was made again', () => {
  const MODULES = { onlyInImage: ['usb_storage'], onlyLoadedNow: [] }
  const same = { state: 'same', words: '-f', sha256: 'aa', image: IMAGE } as const
  const withModules = { ...same, state: 'same-with-modules', modules: MODULES } as const
  const different = { state: 'different', differences: [], total: 3, fresh: null, image: IMAGE } as const
  const accepted = (...paths: string[]): KeptReproductions['accepted'] =>
    paths.map((path) => ({ kind: 'modules', path, sha256: 'aa' }))
  const ofOther: KeptReproductions['accepted'] = [{ kind: 'modules', path: IMAGE, sha256: 'bb' }]
  const keeping = (
    reproductions: KeptReproductions['reproductions'],
    own: KeptReproductions['accepted'] = [],
  ) => look({}, {}, { kept: { reproductions, accepted: own } })

  it('is fine where the bytes are the same', () => {
    expect(keeping([same])).toMatchObject({ verdict: 'explained', reproductions: [same], accepted: [] })
    expect(codesOf(keeping([same], accepted('/other.img')))).toEqual(['log-missing'])
  })

  it('is fine where a person accepted the modules of that very image, among others', () => {
    for (const paths of [[IMAGE], ['/other.img', IMAGE]])
      expect(keeping([withModules], accepted(...paths))).toMatchObject({
        verdict: 'explained',
        accepted: accepted(...paths),
      })
  })

  it.each([
    ['is another one', different, [], '3 differences'],
    ['has other modules that nobody accepted', withModules, [], 'nobody has accepted that'],
    ['has other modules, accepted of another image', withModules, ['/other.img'], 'nobody has accepted that'],
  ])('that %s makes the change unexplained', (_, one, paths, words) => {
    const found = keeping([one], accepted(...paths))
    expect(found.verdict).toBe('unexplained')
    expect(codesOf(found)).toEqual(['log-missing', 'initramfs-not-made-again (blocking)'])
    expect(found.reasons[1]?.what).toMatch(new RegExp(`^${IMAGE} .*${words}`))
    expect(found.advice[0]).toMatch(/^power off now/)
  })

  it('is not fine by what was accepted of other bytes, or of an image that was the same with other modules then', () => {
    expect(keeping([withModules], ofOther).verdict).toBe('unexplained')
    expect(keeping([different], accepted(IMAGE)).verdict).toBe('unexplained')
  })

  it('is named apart from one that is fine, and beside what else speaks against the files', () => {
    const kept = { reproductions: [same, { ...different, image: '/other.img' }], accepted: [] }
    const found = look({}, { oddEntries: ['AEM Qubes'] }, { kept })
    expect(codesOf(found)).toEqual([
      'log-missing',
      'odd-entry (blocking)',
      'initramfs-not-made-again (blocking)',
    ])
    expect(found.reasons.at(-1)?.what).toMatch(/^\/other\.img /)
  })
})

describe('packages that came after `start`', () => {
  const later = [
    {
      name: 'kernel',
      evr: '1000:6.6.42-1.qubes.fc37',
      component: 'kernel' as const,
      before: '1000:6.6.36-1.qubes.fc37',
      isVerified: true,
      fault: null,
    },
  ]
  const NAMED = 'after `start` came kernel 1000:6.6.42-1.qubes.fc37 (before: 1000:6.6.36-1.qubes.fc37)'

  it('are named without speaking against the boot, with the files that they account for', () => {
    expect(codesOf(look())).not.toContain('changed-after-start')
    const alone = look({}, {}, { later })
    expect(alone.verdict).toBe('explained')
    expect(codesOf(alone)).toEqual(['log-missing', 'changed-after-start'])
    expect(alone.reasons[1]?.what).toMatch(new RegExp(`^${NAMED.replaceAll(/[().]/g, '\\$&')}: `))
    expect(alone.reasons[1]?.what).not.toContain('accounted for')
    const kernel = { role: 'kernel', path: '/vmlinuz', before: 'aa', now: 'bb', accountedBy: 'kernel 6.6.42' }
    const found = look({}, { files: [XEN, { ...XEN, path: '/y', accountedBy: null }, kernel] }, { later })
    expect(found.verdict).toBe('explained')
    expect(found.reasons[1]?.what).toContain(NAMED)
    expect(found.reasons[1]?.what).toMatch(/; accounted for by it: \/vmlinuz$/)
  })
})

describe('a bulletin that says more registers change than did', () => {
  const told = { bulletinPcrs: [18, 19] }

  it('is noted as fine where the change is explained', () => {
    const found = look({}, {}, told)
    expect(found.verdict).toBe('explained')
    expect(codesOf(found)).toEqual(['log-missing', 'bulletin-names-more'])
    expect(found.reasons[1]?.what).toMatch(/^the bulletin says PCR 18 and 19 change; PCR 19 did not: /)
  })

  it('is not noted where those that it names did change, or it names others', () => {
    expect(codesOf(look({}, {}, { bulletinPcrs: [18] }))).toEqual(['log-missing'])
    expect(codesOf(look({}, {}, { bulletinPcrs: [17] }))).toEqual(['log-missing'])
    expect(codesOf(look())).toEqual(['log-missing'])
  })

  it('is no comfort where the change is not explained', () => {
    expect(codesOf(look({ verdict: 'unexplained' }, {}, told))).toEqual(['log-missing'])
    expect(codesOf(look({}, { oddEntries: ['AEM Qubes'] }, told))).toEqual([
      'log-missing',
      'odd-entry (blocking)',
    ])
  })
})

it('a bulletin is told by its number, and none by null', () => {
  const pcrs = [rowOf(18, 'expected', ['103', null])]
  const numbers = (rows: ReturnType<typeof numberBulletins>) =>
    rows.flatMap(({ causes }) => causes.map(({ bulletin }) => bulletin))
  const launch = { verdict: 'explained', alreadyResealed: null, pcrs, reasons: [], advice: [] } as const
  expect(numbers(numberBulletins(launch))).toEqual([103, null])
  expect(numbers(look({ pcrs }).pcrs)).toEqual([103, null])
})
