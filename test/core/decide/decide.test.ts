import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type CheckedFile, decideBootDevice, decideImage } from '../../../src/core/decide/boot-device.ts'
import { type BootFacts, decideBoot } from '../../../src/core/decide/check-boot.ts'
import { type AemReadiness, decideAemReadiness } from '../../../src/core/decide/detect-aem.ts'
import { type ChangeFacts, decideChange } from '../../../src/core/decide/explain-change.ts'
import { parseRestartPlan } from '../../../src/core/decide/restart-plan.ts'

describe('decideAemReadiness', () => {
  const READY: AemReadiness = {
    installed: true,
    tpm: '2.0',
    selectedPcrs: [13, 17, 18, 19],
    deviceCount: 1,
    bootedWithAem: true,
    measured: true,
    isSelectionUnread: false,
    badPcrs: [],
  }

  it.each([
    [{}, 'ready'],
    [{ tpm: '1.2' }, 'ready'],
    [{ installed: false }, 'not-installed'],
    [{ installed: false, tpm: 'none' }, 'not-installed'],
    [{ tpm: 'none' }, 'no-tpm'],
    [{ selectedPcrs: null }, 'not-set-up'],
    [{ selectedPcrs: null, isSelectionUnread: true }, 'unknown'],
    [{ deviceCount: 0 }, 'not-set-up'],
    [{ deviceCount: null }, 'unknown'],
    [{ bootedWithAem: false, measured: false }, 'not-aem-boot'],
    [{ measured: false }, 'unmeasured'],
    [{ badPcrs: [19] }, 'bad-pcrs'],
    [{ installed: null }, 'unknown'],
    [{ tpm: null }, 'unknown'],
    [{ bootedWithAem: null }, 'unknown'],
    [{ measured: null }, 'unknown'],
  ] as const)('%j: %s', (changes, outcome) => {
    expect(decideAemReadiness({ ...READY, ...changes })).toBe(outcome)
  })

  it('is never ready while anything is unknown or wrong', () => {
    const anything = fc.record({
      installed: fc.constantFrom(true, false, null),
      tpm: fc.constantFrom('1.2', '2.0', 'none', null),
      selectedPcrs: fc.constantFrom([17, 18], null),
      isSelectionUnread: fc.boolean(),
      deviceCount: fc.constantFrom(0, 1, 2, null),
      bootedWithAem: fc.constantFrom(true, false, null),
      measured: fc.constantFrom(true, false, null),
      badPcrs: fc.constantFrom<readonly number[]>([], [17]),
    })
    fc.assert(
      fc.property(anything, (facts) => {
        const isGood =
          facts.installed && facts.bootedWithAem && facts.measured && (facts.deviceCount ?? 0) > 0
        const isReady =
          isGood && facts.selectedPcrs && facts.badPcrs.length === 0 && facts.tpm && facts.tpm !== 'none'
        expect(decideAemReadiness(facts as AemReadiness) === 'ready').toBe(Boolean(isReady))
      }),
    )
  })
})

describe('decideBoot', () => {
  const EXPECTED: BootFacts = {
    recordedBootId: 'one',
    bootId: 'two',
    bootedWithAem: true,
    measured: true,
    runningBuildId: 'aa',
    expectedBuildId: 'aa',
    deviceUuid: 'device',
    expectedDeviceUuid: 'device',
  }

  it.each([
    [{}, 'expected'],
    [{ bootId: 'one' }, 'same-boot'],
    [{ bootId: 'one', bootedWithAem: false }, 'same-boot'],
    [{ bootedWithAem: false, measured: false }, 'not-aem-boot'],
    [{ measured: false }, 'unmeasured'],
    [{ deviceUuid: 'other' }, 'other-device'],
    [{ deviceUuid: null }, 'other-device'],
    [{ runningBuildId: 'bb' }, 'other-xen'],
    [{ bootId: null }, 'unknown'],
    [{ recordedBootId: null }, 'unknown'],
    [{ bootedWithAem: null }, 'unknown'],
    [{ measured: null }, 'unknown'],
    [{ runningBuildId: null }, 'unknown'],
    [{ expectedBuildId: null }, 'unknown'],
    [{ runningBuildId: null, expectedBuildId: null }, 'unknown'],
  ] as const)('%j: %s', (changes, outcome) => {
    expect(decideBoot({ ...EXPECTED, ...changes })).toBe(outcome)
  })
})

describe('decideImage and decideBootDevice', () => {
  const image = { exists: true, sha256: 'new', buildId: 'build' }

  it.each([
    [image, 'new', 'current'],
    [{ ...image, sha256: 'old' }, 'new', 'stale'],
    [{ ...image, sha256: 'other', buildId: 'odd' }, 'new', 'changed'],
    [{ ...image, sha256: 'other', buildId: null }, 'new', 'changed'],
    [{ ...image, exists: false }, 'new', 'absent'],
    [{ ...image, exists: null }, 'new', 'unknown'],
    [{ ...image, sha256: null }, 'new', 'unknown'],
    [image, null, 'unknown'],
  ] as const)('%j against %s: %s', (own, wanted, state) => {
    expect(decideImage(own, wanted, 'build')).toBe(state)
  })

  const file = (state: CheckedFile['state']): CheckedFile => ({
    role: 'xen',
    path: '/boot/xen.gz',
    state,
    sha256: null,
    expected: null,
    against: '',
  })

  it.each([
    [['current', 'current'], 'current'],
    [['current', 'stale'], 'stale'],
    [['current', 'absent'], 'stale'],
    [['stale', 'changed', 'unknown'], 'changed'],
    [['current', 'unknown'], 'unknown'],
    [[], 'unknown'],
  ] as const)('the worst of %j is %s', (states, outcome) => {
    expect(decideBootDevice({ present: true, isOpen: true }, states.map(file))).toBe(outcome)
  })

  it('is absent when it is not plugged in, unknown when it cannot be opened', () => {
    expect(decideBootDevice({ present: false, isOpen: true }, [file('current')])).toBe('absent')
    expect(decideBootDevice({ present: null, isOpen: false }, [file('current')])).toBe('unknown')
  })
})

describe('decideChange', () => {
  const CLEAN: ChangeFacts = {
    pcrs: [
      { index: 17, before: 'a', now: 'a' },
      { index: 18, before: 'a', now: 'b' },
    ],
    files: [{ role: 'xen', path: '/boot/xen.gz', before: 'x', now: 'x' }],
    packages: [{ name: 'xen-hypervisor', isVerified: true }],
    xen: { runningBuildId: 'build', installedBuildId: 'build' },
  }
  const pcr = (changes: object): ChangeFacts => ({ ...CLEAN, pcrs: [{ ...CLEAN.pcrs[1]!, ...changes }] })

  it('explains a change that the update accounts for', () => {
    expect(decideChange(CLEAN)).toEqual({ verdict: 'explained', reasons: [] })
  })

  it('is unchanged where nothing moved, whatever the packages say', () => {
    expect(decideChange({ ...pcr({ now: 'a' }), packages: [] })).toEqual({
      verdict: 'unchanged',
      reasons: [],
    })
  })

  it('explains nothing without a baseline', () => {
    expect(decideChange(null)).toEqual({ verdict: 'no-baseline', reasons: [] })
  })

  it.each([
    ['pcr-unreadable', pcr({ now: null })],
    ['pcr-unreadable', pcr({ before: null })],
    ['boot-file-changed', { ...CLEAN, files: [{ ...CLEAN.files[0]!, now: 'y' }] }],
    ['boot-file-changed', { ...CLEAN, files: [{ ...CLEAN.files[0]!, now: 'y', accountedBy: null }] }],
    ['boot-file-changed', { ...CLEAN, files: [{ ...CLEAN.files[0]!, before: null, isNew: true }] }],
    ['boot-file-changed', { ...CLEAN, files: [{ ...CLEAN.files[0]!, now: null, isGone: true }] }],
    ['boot-file-unreadable', { ...CLEAN, files: [{ ...CLEAN.files[0]!, now: null }] }],
    ['boot-file-unreadable', { ...CLEAN, files: [{ ...CLEAN.files[0]!, before: null }] }],
    ['boot-file-unreadable', { ...CLEAN, files: [] }],
    ['boot-file-not-packaged', { ...CLEAN, deviceProblems: ['/boot/xen.gz is stale'] }],
    ['package-not-verified', { ...CLEAN, packages: [{ name: 'xen-hypervisor', isVerified: false }] }],
    ['package-not-verified', { ...CLEAN, packages: [{ name: 'xen-hypervisor', isVerified: null }] }],
    [
      'package-downgraded',
      { ...CLEAN, downgrades: [{ name: 'xen-hypervisor', from: '2001:4.17.4-4', to: '2001:4.17.4-3' }] },
    ],
    ['versions-unreadable', { ...CLEAN, areVersionsUnreadable: true }],
    ['nothing-behind-change', { ...CLEAN, packages: [] }],
    ['xen-not-installed-one', { ...CLEAN, xen: { runningBuildId: 'old', installedBuildId: 'build' } }],
    ['xen-not-installed-one', { ...CLEAN, xen: { runningBuildId: null, installedBuildId: null } }],
  ] as const)('is unexplained by %s', (code, facts) => {
    const { verdict, reasons } = decideChange(facts as ChangeFacts)
    expect(verdict).toBe('unexplained')
    expect(reasons.map((reason) => reason.code)).toEqual([code])
    expect(reasons[0]?.what.length).toBeGreaterThan(10)
  })

  it('needs no package behind a change that was predicted and vouched for', () => {
    expect(decideChange({ ...CLEAN, packages: [], isPredicted: true }).verdict).toBe('explained')
  })

  it('names all findings together', () => {
    const { reasons } = decideChange({ ...pcr({ now: null }), packages: [], files: [] })
    expect(reasons.length).toBeGreaterThanOrEqual(3)
  })

  it('counts a file that came and one that went', () => {
    for (const files of [
      [...CLEAN.files, { role: 'kernel', path: '/boot/vmlinuz', before: null, now: 'z' }],
      [...CLEAN.files, { role: 'kernel', path: '/boot/vmlinuz', before: 'z', now: null }],
    ]) {
      expect(decideChange({ ...CLEAN, files }).verdict).toBe('unexplained')
    }
  })

  it('never blesses what has any fault', () => {
    const value = fc.constantFrom('a', 'b', null)
    const facts = fc.record({
      pcrs: fc.array(fc.record({ index: fc.nat(23), before: value, now: value }), {
        minLength: 1,
      }),
      files: fc.array(
        fc.record({ role: fc.constant('xen'), path: fc.constant('/x'), before: value, now: value }),
      ),
      packages: fc.array(
        fc.record({ name: fc.constant('xen'), isVerified: fc.constantFrom(true, false, null) }),
      ),
      xen: fc.record({ runningBuildId: value, installedBuildId: value }),
    })
    fc.assert(
      fc.property(facts, (own) => {
        const { verdict } = decideChange(own)
        if (verdict === 'unexplained') return
        expect(own.pcrs.every(({ before, now }) => before !== null && now !== null)).toBe(true)
        expect(own.files.every(({ before, now }) => before !== null && before === now)).toBe(true)
        const changed = own.pcrs.filter(({ before, now }) => before !== now)
        expect(verdict).toBe(changed.length > 0 ? 'explained' : 'unchanged')
        if (changed.length > 0)
          expect(own.packages.length > 0 && own.packages.every(({ isVerified }) => isVerified)).toBe(true)
      }),
    )
  })
})

describe('parseRestartPlan', () => {
  it.each([
    ['now', { kind: 'now' }],
    ['manual', { kind: 'manual' }],
    ['+5', { kind: 'minutes', minutes: '5' }],
    ['+0', { kind: 'minutes', minutes: '0' }],
    ['+0030', { kind: 'minutes', minutes: '30' }],
    ['+1440', { kind: 'minutes', minutes: '1440' }],
    ['00:00', { kind: 'at', clockTime: '00:00' }],
    ['23:59', { kind: 'at', clockTime: '23:59' }],
  ])('%s', (text, plan) => {
    expect(parseRestartPlan(text)).toEqual(plan)
  })

  it.each([
    '',
    'no',
    '5',
    '+',
    '+-5',
    '+1441',
    '+99999',
    '24:00',
    '9:00',
    '12:60',
    '12:00 ',
    'now\n',
    '-r',
    '+5;id',
  ])('%j is none', (text) => {
    expect(parseRestartPlan(text)).toBeNull()
  })
})
