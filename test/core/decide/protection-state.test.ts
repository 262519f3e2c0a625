/* Long: one case for each reason, and one for each that another one covers. */

import { describe, expect, it } from 'vitest'
import {
  decideProtectionState,
  PROTECTION_REASONS,
  type ProtectionFacts,
  type ProtectionReason,
  type ProtectionState,
} from '../../../src/core/decide/protection-state.ts'

const PRESENT = { sealed: true, binding: 'present' } as const
const UNREAD = { sealed: null, binding: null } as const
const COPIES = {
  present: true,
  device: PRESENT,
  dom0: PRESENT,
  areSame: true,
  isVerifiedNow: false,
  isSlotTaken: false,
} as const

const GOOD: ProtectionFacts = {
  installed: true,
  bootedWithAem: true,
  tpm: '2.0',
  measured: true,
  isClosed: false,
  hasTxtError: false,
  hasLaunchTrace: false,
  selection: 'read',
  selected: [13, 17, 18],
  unread: [],
  constants: [],
  isLogRead: true,
  seal: 'sealed',
  unseal: 'unsealed',
  isHeld: false,
  boot: 'same',
  isListRead: true,
  copies: COPIES,
  nextEntry: { kind: 'aem', title: 'AEM Qubes' },
  hasChangedFiles: false,
  luks: 'same',
  pendingRestart: false,
  isUpdated: false,
  hasSession: false,
  isPreparationOutdated: false,
}

type Case = readonly [ProtectionReason, ProtectionState, Partial<ProtectionFacts>]
const copies = (change: Partial<NonNullable<ProtectionFacts['copies']>>) => ({
  copies: { ...COPIES, ...change },
})

const CASES: readonly Case[] = [
  ['not-installed', 'not-protected', { installed: false }],
  ['aem-unknown', 'unknown', { installed: null }],
  ['not-aem-boot', 'not-protected', { bootedWithAem: false }],
  ['boot-kind-unknown', 'unknown', { bootedWithAem: null }],
  ['no-tpm', 'not-protected', { tpm: 'none', measured: false }],
  ['tpm-not-seen', 'unknown', { tpm: 'none', measured: false, hasLaunchTrace: true }],
  ['tpm-unknown', 'unknown', { tpm: null, measured: null }],
  ['launch-failed', 'not-protected', { measured: false, isClosed: true }],
  ['launch-failed', 'not-protected', { measured: false, hasTxtError: true }],
  ['not-launched', 'not-protected', { measured: false }],
  ['registers-unread', 'unknown', { measured: null }],
  ['registers-unread', 'unknown', { unread: [18] }],
  ['selection-missing', 'not-protected', { selection: 'absent', selected: null }],
  ['selection-missing', 'not-protected', { selection: 'not-set', selected: null }],
  ['selection-unread', 'unknown', { selection: 'not-read', selected: null }],
  ['selection-unread', 'unknown', { selection: 'unreadable', selected: null }],
  ['no-launch-register', 'not-protected', { selected: [13] }],
  ['no-launch-register', 'not-protected', { selected: [13], measured: false }],
  ['constant-register', 'not-protected', { constants: [18] }],
  ['boot-unexplained', 'not-protected', { boot: 'unexplained' }],
  ['boot-not-accepted', 'unknown', { boot: 'explained' }],
  ['secret-refused', 'unknown', { unseal: 'mismatch' }],
  ['secret-refused', 'unknown', { unseal: 'wrong-token', boot: null }],
  ['boot-unknown', 'unknown', { boot: 'not-known' }],
  ['list-unread', 'unknown', { isListRead: false }],
  ['seal-held', 'not-protected', { isHeld: true }],
  ['seal-held', 'not-protected', { seal: 'held' }],
  ['failed-seal', 'at-risk', { seal: 'failed' }],
  ['seal-waiting', 'at-risk', { seal: 'waiting' }],
  [
    'not-sealed',
    'not-protected',
    copies({ device: { sealed: false, binding: null }, dom0: { sealed: false, binding: null } }),
  ],
  ['copy-missing', 'at-risk', copies({ device: { sealed: false, binding: null } })],
  ['copy-missing', 'at-risk', copies({ dom0: { sealed: false, binding: null } })],
  ['copy-differs', 'at-risk', copies({ areSame: false })],
  ['sealed-to-other', 'at-risk', copies({ device: { sealed: true, binding: 'other' } })],
  ['sealed-to-other', 'at-risk', copies({ dom0: { sealed: true, binding: 'other' }, areSame: null })],
  ['slot-taken', 'at-risk', copies({ isSlotTaken: true })],
  ['boot-files-changed', 'at-risk', { hasChangedFiles: true }],
  ['next-entry-not-aem', 'at-risk', { nextEntry: { kind: 'other', title: 'Qubes' } }],
  ['luks-header-changed', 'at-risk', { luks: 'changed' }],
  ['luks-header-unknown', 'unknown', { luks: 'unknown' }],
  ['restart-pending', 'at-risk', { pendingRestart: true }],
  ['preparation-outdated', 'at-risk', { isPreparationOutdated: true }],
  ['files-updated', 'at-risk', { isUpdated: true }],
  ['session-open', 'unknown', { hasSession: true }],
  ['device-absent', 'unknown', copies({ present: false, device: null, areSame: null })],
  ['device-absent', 'unknown', copies({ present: false, device: null, areSame: null, isVerifiedNow: true })],
  ['device-unknown', 'unknown', { copies: null, nextEntry: null }],
  ['seal-unknown', 'unknown', { ...copies({ device: UNREAD, dom0: UNREAD, areSame: null }), unseal: null }],
  ['seal-unknown', 'unknown', { ...copies({ device: null, areSame: null }), unseal: null }],
  ['next-entry-unknown', 'unknown', { nextEntry: { kind: 'unknown', why: 'x' } }],
  ['next-entry-unknown', 'unknown', { nextEntry: null }],
  ['restart-unknown', 'unknown', { pendingRestart: null }],
  ['launch-log-unread', 'unknown', { isLogRead: false }],
]

describe('whether AEM protects', () => {
  it('where every part was seen and is good', () => {
    expect(decideProtectionState(GOOD)).toEqual({ state: 'protected', reasons: [] })
  })

  it.each(CASES)('%s makes it %s', (code, state, change) => {
    expect(decideProtectionState({ ...GOOD, ...change })).toEqual({ state, reasons: [code] })
  })

  it('has a case for every reason', () => {
    expect(new Set(CASES.map(([code]) => code))).toEqual(new Set(PROTECTION_REASONS))
  })

  it('is shown by the secret itself where the sealed files cannot be read', () => {
    const unread = copies({ device: UNREAD, dom0: UNREAD, areSame: null })
    expect(decideProtectionState({ ...GOOD, ...unread }).state).toBe('protected')
    expect(decideProtectionState({ ...GOOD, ...unread, seal: 'failed' }).reasons).toEqual([
      'failed-seal',
      'seal-unknown',
    ])
  })

  it('is shown by verify in this boot after a seal that failed', () => {
    const verified = copies({ isVerifiedNow: true })
    expect(decideProtectionState({ ...GOOD, ...verified, seal: 'failed' }).state).toBe('protected')
  })

  it('is shown by verify in this boot where the copies cannot be read now', () => {
    const unread = { device: UNREAD, dom0: UNREAD, areSame: null, isVerifiedNow: true }
    expect(decideProtectionState({ ...GOOD, ...copies(unread), unseal: null }).state).toBe('protected')
  })

  it.each([
    ['not-sealed', { device: null, dom0: { sealed: false, binding: null } }],
    ['copy-missing', { device: { sealed: false, binding: null } }],
    ['copy-differs', { areSame: false }],
    ['sealed-to-other', { device: { sealed: true, binding: 'other' } }],
    ['sealed-to-other', { dom0: { sealed: true, binding: 'other' } }],
    ['slot-taken', { isSlotTaken: true }],
  ] as const)('tells %s though verify found all well earlier in this boot', (code, change) => {
    const { reasons } = decideProtectionState({ ...GOOD, ...copies({ isVerifiedNow: true, ...change }) })
    expect(reasons).toEqual([code])
  })

  it('does not call a device that is sealed forward sealed to something else, nor the restart a risk', () => {
    const forward = copies({
      device: { sealed: true, binding: 'forward' },
      dom0: { sealed: true, binding: 'forward' },
    })
    expect(decideProtectionState({ ...GOOD, ...forward, pendingRestart: true, hasSession: true })).toEqual({
      state: 'unknown',
      reasons: ['session-open'],
    })
  })

  it.each(['changed', 'unknown'] as const)('leaves LUKS headers that are %s to the open session', (luks) => {
    expect(decideProtectionState({ ...GOOD, luks, hasSession: true }).reasons).toEqual(['session-open'])
  })

  it('leaves out LUKS headers that AEM does not seal to', () => {
    expect(decideProtectionState({ ...GOOD, luks: null })).toEqual({ state: 'protected', reasons: [] })
  })

  it('leaves a held seal to the open session', () => {
    const held = decideProtectionState({ ...GOOD, isHeld: true, seal: 'held', hasSession: true })
    expect(held.reasons).toEqual(['session-open'])
  })

  it('says the gravest first, and not what follows from a boot that was not launched', () => {
    const many = {
      measured: false,
      constants: [17, 18],
      seal: 'failed',
      isLogRead: false,
      pendingRestart: true,
    } as const
    expect(decideProtectionState({ ...GOOD, ...many }).reasons).toEqual(['not-launched', 'restart-pending'])
    const mixed = { isLogRead: false, seal: 'failed', selected: [13] } as const
    expect(decideProtectionState({ ...GOOD, ...mixed }).reasons).toEqual([
      'no-launch-register',
      'failed-seal',
      'launch-log-unread',
    ])
  })
})

const FORWARD = { sealed: true, binding: 'forward' } as const
const OTHER = { sealed: true, binding: 'other' } as const

describe('each reason is told once, by what it comes from', () => {
  it.each<[string, readonly ProtectionReason[], Partial<ProtectionFacts>]>([
    [
      'another entry with changed files',
      ['not-aem-boot', 'boot-files-changed'],
      { bootedWithAem: false, hasChangedFiles: true },
    ],
    ['SEAL that was read and names nothing', ['selection-unread'], { selected: null }],
    ['SEAL that was not read now', ['selection-unread'], { selection: 'not-read', selected: [13] }],
    [
      'a refused secret of a boot that is explained',
      ['boot-not-accepted'],
      { unseal: 'mismatch', boot: 'explained' },
    ],
    [
      'a refused secret of a boot that is not',
      ['boot-unexplained'],
      { unseal: 'wrong-token', boot: 'unexplained' },
    ],
    ['a refused secret, tried well since', [], { unseal: 'mismatch', ...copies({ isVerifiedNow: true }) }],
    [
      'a refused secret, tried well since in a boot that nobody compared',
      ['secret-refused'],
      { unseal: 'mismatch', boot: null, ...copies({ isVerifiedNow: true }) },
    ],
    ['a held seal that failed', ['seal-held'], { isHeld: true, seal: 'failed' }],
    [
      'copies that are bound to something else and differ',
      ['sealed-to-other'],
      copies({ device: OTHER, areSame: false }),
    ],
    [
      'a copy bound to something else, with no secret shown',
      ['sealed-to-other'],
      { ...copies({ device: OTHER }), unseal: null },
    ],
    [
      'a copy bound to the next boot, with no secret shown',
      [],
      { ...copies({ device: FORWARD }), unseal: null },
    ],
    [
      'a shown secret and a device that nobody looked at',
      ['seal-unknown'],
      copies({ device: null, areSame: null }),
    ],
    [
      'an absent device, of which no entry can be told',
      ['device-absent'],
      { ...copies({ present: false }), nextEntry: null },
    ],
    ['an update that another Xen is part of', ['restart-pending'], { isUpdated: true, pendingRestart: true }],
    ['an update with a session open', ['session-open'], { isUpdated: true, hasSession: true }],
    ['an update that is sealed forward', [], { isUpdated: true, ...copies({ device: FORWARD }) }],
    ['no launch, and no entry that can be told', ['not-launched'], { measured: false, nextEntry: null }],
  ])('%s', (_what, reasons, change) => {
    expect(decideProtectionState({ ...GOOD, ...change }).reasons).toEqual(reasons)
  })
})
