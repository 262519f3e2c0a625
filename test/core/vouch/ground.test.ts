import { describe, expect, it } from 'vitest'
import {
  type ApprovedState,
  type DeviceLedger,
  emptyDeviceLedger,
  findLedgerDevice,
  type LedgerDevice,
} from '../../../src/core/session/device-ledger.ts'
import { decideGround, type GroundFacts, groundUnasked, labelOf } from '../../../src/core/vouch/ground.ts'
import { makeApprovedBoot } from '../../support/approved-boot.ts'

const EARLY = '2024-07-15T09:00:00.000Z'
const AT = '2024-07-17T09:00:00.000Z'
const LATE = '2024-07-19T09:00:00.000Z'
const UUID = '6d2f1c8e-5b0a-4f0e-9a57-3f4c1f0a9d11'
const GOOD = { 13: 'aa', 17: 'bb', 18: 'cc', 19: 'dd' }

type Approved = NonNullable<LedgerDevice['approved']>

const approvedBoot = (changes: Partial<Approved> = {}): Approved =>
  makeApprovedBoot({ registers: GOOD, ...changes })

const accepted: ApprovedState = {
  at: AT,
  bootId: 'boot-1',
  label: 'aem',
  bank: 'sha256',
  registers: GOOD,
  shared: [13, 17, 18],
  packages: null,
}

function ledgerWith(
  device: Partial<LedgerDevice> | null,
  approved: ApprovedState | null = null,
): DeviceLedger {
  const empty = emptyDeviceLedger(AT)
  const devices = device === null ? [] : [{ ...findLedgerDevice(empty, 'aem'), uuid: UUID, ...device }]
  return { ...empty, approved, devices }
}

function facts(ledger: DeviceLedger | null, changes: Partial<GroundFacts> = {}): GroundFacts {
  return {
    bootId: 'boot-9',
    device: { label: 'aem', uuid: UUID },
    bank: 'sha256',
    registers: { ...GOOD, 0: '99' },
    selected: [13, 17, 18, 19],
    unseal: 'unsealed',
    look: ledger === null ? { state: 'absent' } : { state: 'read', ledger },
    ...changes,
  }
}

const own = ledgerWith({ approved: approvedBoot() })

describe('decideGround, with the approved state of the device', () => {
  it('vouches where the secret was released under the approved registers', () => {
    expect(decideGround(facts(own))).toEqual({ state: 'vouched', by: 'approved-state', since: AT })
  })

  it.each([13, 17, 18, 19])('does not where PCR %i is another, whatever AEM says', (index) => {
    const registers = { ...GOOD, [index]: 'ee' }
    for (const unseal of ['unsealed', 'mismatch', 'wrong-token', null] as const)
      expect(decideGround(facts(own, { registers, unseal }), 'yes')).toEqual({
        state: 'not-vouched',
        why: 'registers-differ',
        registers: [index],
        since: AT,
      })
  })

  it('does not where a register cannot be read', () => {
    const { 18: _gone, ...registers } = GOOD
    expect(decideGround(facts(own, { registers }))).toMatchObject({
      state: 'not-vouched',
      why: 'registers-unreadable',
      registers: [18],
    })
  })

  it.each(['sha1', null])('does not with a TPM of another kind (%s)', (bank) => {
    expect(decideGround(facts(own, { bank }))).toMatchObject({ why: 'other-bank' })
  })

  it.each([
    ['mismatch', 'secret-refused'],
    ['wrong-token', 'secret-invalid'],
  ] as const)(
    'does not where the token was %s, though the registers are the approved ones',
    (unseal, why) => {
      expect(decideGround(facts(own, { unseal }), 'yes')).toMatchObject({ state: 'not-vouched', why })
    },
  )

  it('asks where the journal is silent, and takes no for a no', () => {
    const silent = facts(own, { unseal: null })
    expect(decideGround(silent)).toEqual({ state: 'ask' })
    expect(decideGround(silent, 'yes')).toMatchObject({ state: 'vouched', by: 'approved-state' })
    expect(decideGround(silent, 'no')).toMatchObject({ state: 'not-vouched', why: 'secret-not-seen' })
    expect(groundUnasked(silent)).toMatchObject({ state: 'not-vouched', why: 'secret-unknown' })
    expect(groundUnasked(facts(own))).toEqual(decideGround(facts(own)))
  })

  it('knows the device by its UUID, where it is out and nothing else names it', () => {
    const device = { label: null, uuid: UUID }
    expect(decideGround(facts(own, { device }))).toMatchObject({ by: 'approved-state' })
    expect(decideGround(facts(own, { device, registers: { ...GOOD, 18: 'ee' } }))).toMatchObject({
      why: 'registers-differ',
    })
  })
})

describe('labelOf', () => {
  const other = { ...findLedgerDevice(emptyDeviceLedger(AT), 'aem.other'), uuid: null }
  const ledger = { ...own, devices: [other, ...own.devices] }

  it('goes by the UUID before the label', () => {
    expect(labelOf(ledger, { device: { label: 'aem.other', uuid: UUID } })).toBe('aem')
  })

  it('takes no UUID that is not known for that of a device without one', () => {
    expect(labelOf(ledger, { device: { label: 'aem', uuid: null } })).toBe('aem')
    expect(labelOf(ledger, { device: { label: null, uuid: null } })).toBeNull()
  })
})

describe('decideGround, in a boot that was accepted', () => {
  const now = ledgerWith({}, { ...accepted, bootId: 'boot-9' })

  it.each(['mismatch', 'wrong-token', null] as const)('vouches though AEM said %s', (unseal) => {
    expect(decideGround(facts(now, { unseal }))).toEqual({ state: 'vouched', by: 'accepted', since: AT })
  })

  it('does not once a register was extended after that', () => {
    expect(decideGround(facts(now, { registers: { ...GOOD, 19: 'ee' } }))).toMatchObject({
      why: 'registers-differ',
      registers: [19],
    })
  })

  it('vouches though the list of the old form does not name the bank', () => {
    const old = ledgerWith({}, { ...accepted, bank: null, bootId: 'boot-9' })
    expect(decideGround(facts(old))).toEqual({ state: 'vouched', by: 'accepted', since: AT })
  })

  it('takes no boot id that is not known for the same', () => {
    const unknown = ledgerWith({}, { ...accepted, bootId: null })
    expect(decideGround(facts(unknown, { bootId: null, unseal: 'mismatch' }))).toMatchObject({
      state: 'not-vouched',
      why: 'secret-refused',
    })
  })
})

describe('decideGround, on the newest state that is known', () => {
  const NEWER = { ...GOOD, 18: 'ff' }
  const forward = { at: LATE, bank: 'sha256' as const, registers: NEWER, tokens: {} }

  it('goes by the forward seal that was made since', () => {
    const ledger = ledgerWith({ approved: approvedBoot(), forward })
    expect(decideGround(facts(ledger, { registers: NEWER }))).toMatchObject({ state: 'vouched', since: LATE })
    expect(decideGround(facts(ledger))).toMatchObject({ why: 'registers-differ', registers: [18] })
  })

  it('and not by an earlier one', () => {
    const ledger = ledgerWith({ approved: approvedBoot(), forward: { ...forward, at: EARLY } })
    expect(decideGround(facts(ledger, { registers: NEWER }))).toMatchObject({ why: 'registers-differ' })
  })

  it('goes by what was accepted on the device though no copy was verified', () => {
    const ledger = ledgerWith({ approved: approvedBoot() }, { ...accepted, at: LATE, registers: NEWER })
    expect(decideGround(facts(ledger, { registers: NEWER }))).toMatchObject({
      by: 'approved-state',
      since: LATE,
    })
    expect(decideGround(facts(ledger))).toMatchObject({ why: 'registers-differ' })
  })
})

describe('decideGround, where no boot from this device was approved', () => {
  it.each([
    ['no list', null],
    ['an empty list', ledgerWith(null)],
    ['a list of the old form', ledgerWith({}, { ...accepted, bank: null, registers: { ...GOOD, 18: 'ee' } })],
  ])('goes by the released secret (%s)', (_what, ledger) => {
    const first = facts(ledger)
    expect(decideGround(first)).toEqual({ state: 'vouched', by: 'released-secret', since: null })
    expect(decideGround({ ...first, unseal: 'mismatch' })).toMatchObject({ why: 'secret-refused' })
    expect(decideGround({ ...first, unseal: 'wrong-token' })).toMatchObject({ why: 'secret-invalid' })
    expect(decideGround({ ...first, unseal: null })).toEqual({ state: 'ask' })
  })

  it('compares the shared registers with the state that was approved on another device', () => {
    const other = ledgerWith(null, { ...accepted, label: 'aem.stick' })
    const registers = { ...GOOD, 19: 'ee' }
    // What the device has for itself is compared with the approved boot; nothing whole is kept of it here.
    const unknown = { state: 'not-vouched', why: 'device-not-approved', registers: [19], since: AT }
    expect(decideGround(facts(other, { registers }))).toEqual(unknown)
    // That SEAL names it no more makes it none the less what was measured.
    expect(decideGround(facts(other, { registers, selected: [13, 17, 18] }))).toEqual(unknown)
    // Where all that was approved is shared, nothing is left open.
    const shared = ledgerWith(null, {
      ...accepted,
      label: 'aem.stick',
      registers: { 13: GOOD[13], 17: GOOD[17], 18: GOOD[18] },
    })
    expect(decideGround(facts(shared, { registers, selected: [13, 17, 18] }))).toEqual({
      state: 'vouched',
      by: 'approved-state',
      since: AT,
    })
    // A register that the approved state does not hold is nothing to go by.
    const more = ledgerWith(null, { ...accepted, label: 'aem.stick', shared: [...accepted.shared, 22] })
    expect(decideGround(facts(more, { registers: { ...registers, 22: 'ee' } }))).toEqual(unknown)
    expect(decideGround(facts(other, { registers: { ...registers, 18: 'ee' } }))).toMatchObject({
      why: 'registers-differ',
      registers: [18],
    })
  })

  it('has no register that SEAL took in since: nothing says what was approved of it', () => {
    const { 19: _, ...less } = GOOD
    const narrow = ledgerWith({ approved: approvedBoot({ registers: less }) })
    expect(decideGround(facts(narrow, { selected: [13, 17, 18] }))).toMatchObject({ state: 'vouched' })
    expect(decideGround(facts(narrow))).toEqual({
      state: 'not-vouched',
      why: 'registers-unknown',
      registers: [19],
      since: AT,
    })
    // A register that was given up since is no question.
    expect(
      decideGround(facts(ledgerWith({ approved: approvedBoot() }), { selected: [13, 17] })),
    ).toMatchObject({ state: 'vouched' })
  })
})

it.each(['damaged', 'foreign', 'newer', 'unreadable'] as const)(
  'vouches for nothing by a list that is %s',
  (state) => {
    const look = { state, detail: 'why' }
    expect(decideGround({ ...facts(null), look })).toMatchObject({ why: 'list-unreadable' })
  },
)
