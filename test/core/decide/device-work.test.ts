import { describe, expect, it } from 'vitest'
import {
  decideDeviceWork,
  decideSealedFor,
  listSharedRegisters,
  markDevicesLeft,
} from '../../../src/core/decide/device-work.ts'
import { isForwardSpent, listSlotTakers } from '../../../src/core/decide/slot-tokens.ts'
import {
  type DeviceLedger,
  emptyDeviceLedger,
  type LedgerLook,
  type VerifiedState,
} from '../../../src/core/session/device-ledger.ts'

const AT = '2024-07-17T09:00:00.000Z'
const EARLIER = '2024-07-16T09:00:00.000Z'
const LATER = '2024-07-18T09:00:00.000Z'
const PCRS = { '13': '0d', '17': 'aa', '18': 'bb', '19': 'c1' }

const verified: VerifiedState = {
  at: LATER,
  bootId: 'boot-2',
  registers: { ...PCRS, '19': 'c2' },
  isCurrent: true,
  why: null,
  tokenSha256: 'f0',
  tokens: {},
}

function ledgerWith(changes: Partial<VerifiedState> | null): DeviceLedger {
  const approved = {
    at: AT,
    bootId: 'boot-1',
    label: 'aem',
    bank: 'sha256' as const,
    registers: PCRS,
    shared: [13, 17, 18],
    packages: ['xen-hypervisor 1'],
  }
  const own = changes === null ? null : { ...verified, ...changes }
  return {
    ...emptyDeviceLedger(AT),
    approved,
    devices: [
      {
        label: 'aem.stick',
        uuid: null,
        verified: own,
        approved: null,
        knownFiles: [],
        forward: null,
        leftSince: EARLIER,
      },
    ],
  }
}

const stick = { label: 'aem.stick', present: true, bootFiles: 'current' } as const

describe('decideDeviceWork', () => {
  const decide = (changes: Partial<VerifiedState> | null, facts = {}) =>
    decideDeviceWork({ state: 'read', ledger: ledgerWith(changes) }, { ...stick, ...facts })

  it('is done for a device that was verified in a boot of the approved state; its PCR 19 is its own', () => {
    expect(decide({})).toEqual({ state: 'done' })
  })

  it.each([
    ['was never verified', null, 'never verified'],
    ['was verified before the approval', { at: EARLIER }, 'before the state of'],
    ['booted something else than it carries', { isCurrent: false, why: 'its boot files are stale' }, 'stale'],
    ['booted what could not be checked', { isCurrent: null }, 'could not be checked'],
    ['booted another Xen', { registers: { ...PCRS, '18': 'ee' } }, 'PCR 18 was another'],
    ['booted with a register that was not read', { registers: { '13': '0d', '17': 'aa' } }, 'PCR 18'],
  ])('is left to do when it %s', (_what, changes, why) => {
    expect(decide(changes)).toMatchObject({
      state: 'to-do',
      why: expect.stringContaining(why),
      since: EARLIER,
    })
  })

  it('is not done either where the approved register itself is missing', () => {
    const ledger = ledgerWith({})
    const registers = { '13': '0d', '17': 'aa' }
    const look = {
      state: 'read',
      ledger: { ...ledger, approved: { ...ledger.approved!, registers } },
    } as const
    expect(decideDeviceWork(look, stick)).toMatchObject({ state: 'to-do' })
  })

  it.each([
    [{ present: false, bootFiles: null }, 'plug-in'],
    [{ bootFiles: 'stale' }, 'refresh'],
    [{ bootFiles: 'absent' }, 'refresh'],
    [{}, 'own-boot'],
    [{ bootFiles: null }, 'look'],
    [{ present: null }, 'look'],
    [{ bootFiles: 'stale', isChanged: true }, 'changed'],
    [{ bootFiles: 'stale', isChanged: false }, 'refresh'],
  ])('%j needs %s', (facts, needs) => {
    expect(decide(null, facts)).toMatchObject({ needs })
  })

  const now = { bootId: 'boot-2', hasSession: false, isPending: false }
  const BLIND = { registers: { ...PCRS, '18': 'ee' } }
  it.each<[string, Partial<VerifiedState> | null, object]>([
    ['accept', BLIND, { booted: now }],
    ['accept', BLIND, { bootFiles: null, booted: now }],
    ['verify', null, { booted: now }],
    ['verify', { ...BLIND, bootId: 'boot-1' }, { booted: now }],
    ['verify', { ...BLIND, bootId: null }, { booted: { ...now, bootId: null } }],
    ['start', BLIND, { booted: { ...now, isPending: true } }],
    ['start', BLIND, { bootFiles: 'stale', booted: now }],
    ['start', BLIND, { bootFiles: 'absent', booted: now }],
    ['start', { isCurrent: false, why: 'an older kernel was booted' }, { booted: now }],
    ['start', { isCurrent: null }, { booted: now }],
    ['resume', BLIND, { bootFiles: 'stale', booted: { ...now, hasSession: true, isPending: true } }],
    ['plug-in', BLIND, { present: false, bootFiles: null, booted: now }],
    ['changed', BLIND, { bootFiles: 'stale', isChanged: true, booted: { ...now, hasSession: true } }],
  ])('the device of this boot needs %s: %j, %j', (needs, changes, facts) => {
    expect(decide(changes, facts)).toMatchObject({ needs })
  })

  it('the device of this boot is not told to show at its next boot what this one was to show', () => {
    const ledger = ledgerWith(null)
    const forward = { at: LATER, bank: 'sha256' as const, registers: PCRS, tokens: {} }
    const devices = ledger.devices.map((device) => ({ ...device, forward }))
    const look: LedgerLook = { state: 'read', ledger: { ...ledger, devices } }
    expect(decideDeviceWork(look, stick)).toMatchObject({ needs: 'forward-boot' })
    expect(decideDeviceWork(look, { ...stick, booted: now })).toMatchObject({ needs: 'verify' })
  })

  it.each(['absent', 'damaged', 'newer'] as const)('says nothing where the list is %s', (state) => {
    expect(decideDeviceWork({ state, detail: '' }, stick)).toBeNull()
  })

  it('says nothing before a state was approved', () => {
    expect(decideDeviceWork({ state: 'read', ledger: emptyDeviceLedger(AT) }, stick)).toBeNull()
  })
})

describe('markDevicesLeft', () => {
  it('keeps since when, adds new devices, lets done and vanished ones go', () => {
    const ledger = ledgerWith(null)
    const gone = {
      label: 'aem.gone',
      uuid: null,
      verified: null,
      approved: null,
      knownFiles: [],
      forward: null,
      leftSince: EARLIER,
    }
    const done = {
      label: 'aem',
      uuid: null,
      verified: { ...verified, at: AT },
      approved: null,
      knownFiles: [],
      forward: null,
      leftSince: EARLIER,
    }
    const marked = markDevicesLeft(
      { ...ledger, devices: [...ledger.devices, gone, done] },
      ['aem', 'aem.new', 'aem.stick'],
      LATER,
    )
    expect(marked.devices.map(({ label, leftSince }) => [label, leftSince])).toEqual([
      ['aem', null],
      ['aem.new', LATER],
      ['aem.stick', EARLIER],
    ])
  })
})

describe('listSharedRegisters', () => {
  it('leaves out what a flavour measures of the device itself', () => {
    const selected = [13, 17, 18, 19]
    expect(listSharedRegisters(selected, 'tboot')).toEqual([13, 17, 18])
    expect(listSharedRegisters(selected, 'trenchboot')).toEqual([13])
    expect(listSharedRegisters(selected, null)).toEqual([13])
  })
})

describe('decideSealedFor', () => {
  const facts: Parameters<typeof decideSealedFor>[0] = {
    sealed: true,
    binding: 'other',
    isBooted: false,
    tokenSha256: 'f0',
    verified,
    present: PCRS,
    shared: [13, 17, 18],
  }

  it.each<[string | null, Partial<typeof facts>]>([
    ['own-boot', {}],
    ['other', { present: { ...PCRS, '18': 'ee' } }],
    ['other', { isBooted: true }],
    ['present', { binding: 'present' }],
    ['forward', { binding: 'forward' }],
    ['not-sealed', { sealed: false }],
    [null, { binding: null }],
    [null, { tokenSha256: 'f1' }],
    [null, { tokenSha256: null }],
    [null, { verified: null }],
    [null, { present: { '13': '0d', '17': 'aa' } }],
    [null, { shared: [] }],
  ])('%s for %j', (answer, changes) => {
    expect(decideSealedFor({ ...facts, ...changes })).toBe(answer)
  })
})

describe('a forward seal for the approved state', () => {
  const needs = (forward: Partial<NonNullable<DeviceLedger['devices'][number]['forward']>>) => {
    const ledger = ledgerWith(null)
    const sealed = { at: LATER, bank: 'sha256' as const, registers: PCRS, tokens: {}, ...forward }
    const devices = ledger.devices.map((device) => ({ ...device, forward: sealed }))
    const work = decideDeviceWork({ state: 'read', ledger: { ...ledger, devices } }, stick)
    return work?.state === 'to-do' ? work.needs : work?.state
  }

  it('needs its boot alone, whatever its own PCR 19 is', () => {
    expect(needs({})).toBe('forward-boot')
    expect(needs({ registers: { ...PCRS, '19': 'ee' } })).toBe('forward-boot')
  })

  it.each([
    ['other registers', { registers: { ...PCRS, '18': 'ee' } }],
    ['registers of which a shared one is not kept', { registers: { '13': '0d', '17': 'aa' } }],
    ['an earlier approved state', { at: EARLIER }],
  ])('is none where it was made for %s', (_, change) => {
    expect(needs(change)).toBe('own-boot')
  })
})

describe('isForwardSpent', () => {
  const tokens = { 'aem.stick': 'f0', aem: 'a0', 'aem.other': 'b0' }
  const [device] = ledgerWith(null).devices
  const forward = { at: AT, bank: 'sha256' as const, registers: PCRS, tokens }
  const ledger: DeviceLedger = { ...ledgerWith(null), devices: [{ ...device!, forward }] }
  const look: LedgerLook = { state: 'read', ledger }
  const owner = (label: string, tokenSha256: string | null, slot: number | null = 0) => ({
    label,
    slot,
    tokenSha256,
  })
  const spent = (owners: ReturnType<typeof owner>[], version: '1.2' | '2.0' = '2.0') =>
    isForwardSpent(look, 'aem.stick', owners, version)

  it('is not where every token is the one of then', () => {
    expect(spent([owner('aem.stick', 'f0'), owner('aem', 'a0')])).toBe(false)
  })

  it.each([
    ['its own', [owner('aem.stick', 'f1'), owner('aem', 'a0')]],
    [
      "another device's, in the one slot that AEM reads on TPM 2.0",
      [owner('aem.stick', 'f0'), owner('aem', 'a1', 5)],
    ],
  ])('is where %s was renewed', (_, owners) => {
    expect(spent(owners)).toBe(true)
  })

  it('is not where a device with a slot of its own was sealed since (TPM 1.2)', () => {
    const mine = owner('aem.stick', 'f0', 1)
    expect(spent([mine, owner('aem', 'a1', 2)], '1.2')).toBe(false)
    expect(spent([mine, owner('aem', 'a1', 1)], '1.2')).toBe(true)
    expect(spent([owner('aem.stick', 'f1', 1), owner('aem', 'a0', 2)], '1.2')).toBe(true)
  })

  it('is not for a token that is not known, now or then', () => {
    expect(spent([owner('aem.stick', 'f0'), owner('aem', null)])).toBe(false)
    expect(spent([owner('aem.stick', 'f0'), owner('aem.new', 'c0')])).toBe(false)
  })

  it('is not where no forward seal is kept', () => {
    const owners = [owner('aem.stick', 'f1')]
    expect(isForwardSpent({ state: 'absent' }, 'aem.stick', owners, '2.0')).toBe(false)
    expect(isForwardSpent(look, 'aem', owners, '2.0')).toBe(false)
  })
})

describe('listSlotTakers', () => {
  const tokens = { 'aem.stick': 'f0', aem: 'a0' }
  const ledger = ledgerWith({ tokens })
  const look: LedgerLook = { state: 'read', ledger }
  const owners = (token: string | null, slot = 0) => [
    { label: 'aem.stick', slot: 0, tokenSha256: 'f0' },
    { label: 'aem', slot, tokenSha256: token },
  ]
  const takers = (
    devices: ReturnType<typeof owners>,
    version: '1.2' | '2.0' = '2.0',
    of: LedgerLook = look,
  ) => listSlotTakers(of, 'aem.stick', devices, version)

  it('is empty where each token is the one of the verification, or not known', () => {
    expect(takers(owners('a0'))).toEqual([])
    expect(takers(owners(null))).toEqual([])
  })

  it('names a device that was not sealed yet then', () => {
    expect(takers([...owners('a0'), { label: 'aem.new', slot: 0, tokenSha256: 'b0' }])).toEqual(['aem.new'])
  })

  it('names the device that was sealed since, in the one slot that AEM reads on TPM 2.0', () => {
    expect(takers(owners('a1', 5))).toEqual(['aem'])
  })

  it('names on TPM 1.2 what has the same slot alone', () => {
    expect(takers(owners('a1', 1), '1.2')).toEqual([])
    expect(takers(owners('a1'), '1.2')).toEqual(['aem'])
  })

  it('leaves out a forward seal, which writes to no slot', () => {
    const [device] = ledger.devices
    const forward = { at: LATER, bank: 'sha256' as const, registers: PCRS, tokens: { aem: 'a1' } }
    const devices = [...ledger.devices, { ...device!, label: 'aem', verified: null, forward }]
    const of: LedgerLook = { state: 'read', ledger: { ...ledger, devices } }
    expect(takers(owners('a1'), '2.0', of)).toEqual([])
    expect(takers(owners('a2'), '2.0', of)).toEqual(['aem'])
  })

  it('says nothing without a verification that names tokens, or without a ledger', () => {
    for (const changes of [null, {}]) {
      const none: LedgerLook = { state: 'read', ledger: ledgerWith(changes) }
      expect(takers(owners('a1'), '2.0', none)).toEqual([])
    }
    expect(takers(owners('a1'), '2.0', { state: 'absent' })).toEqual([])
  })
})
