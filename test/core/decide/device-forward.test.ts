import { describe, expect, it } from 'vitest'
import { decideDeviceWork, decideSealedFor, type WorkFacts } from '../../../src/core/decide/device-work.ts'
import {
  type ApprovedState,
  emptyDeviceLedger,
  type LedgerDevice,
  type LedgerLook,
} from '../../../src/core/session/device-ledger.ts'

/** What a forward seal, a put-back copy and a register that nobody knows make of the work that is left on a device. */

const AT = '2024-07-17T09:00:00.000Z'
const LATER = '2024-07-18T09:00:00.000Z'
const PCRS = { '13': '0d', '17': 'aa', '18': 'bb' }
const WITHOUT_18 = { '13': '0d', '17': 'aa' }
const APPROVED: ApprovedState = {
  at: AT,
  bootId: 'boot-1',
  label: 'aem',
  bank: 'sha256',
  registers: PCRS,
  shared: [13, 17, 18],
  packages: null,
}
const VERIFIED = {
  at: LATER,
  bootId: 'boot-2',
  registers: PCRS,
  isCurrent: true,
  why: null,
  tokenSha256: 'f0',
  tokens: {},
}
const FORWARD = { at: LATER, bank: 'sha256' as const, registers: PCRS, tokens: {} }

function decide(
  device: Partial<LedgerDevice>,
  facts: Partial<WorkFacts> = {},
  registers: ApprovedState['registers'] = PCRS,
) {
  const own = {
    label: 'aem.stick',
    uuid: null,
    verified: null,
    approved: null,
    knownFiles: [],
    forward: null,
  }
  const devices = [{ ...own, leftSince: null, ...device }]
  const look: LedgerLook = {
    state: 'read',
    ledger: { ...emptyDeviceLedger(AT), approved: { ...APPROVED, registers }, devices },
  }
  return decideDeviceWork(look, { label: 'aem.stick', present: true, bootFiles: 'current', ...facts })
}

describe('a device that was sealed forward', () => {
  it('needs its boot alone, also where it was sealed in the moment of the approval', () => {
    expect(decide({ forward: FORWARD })).toMatchObject({ needs: 'forward-boot' })
    expect(decide({ forward: { ...FORWARD, at: AT } })).toMatchObject({ needs: 'forward-boot' })
    expect(decide({ forward: FORWARD }, { isForwardSpent: false })).toMatchObject({ needs: 'forward-boot' })
  })

  it.each<[string, string, Partial<LedgerDevice>, Partial<WorkFacts>]>([
    ['own-boot', 'whose token a seal since then took', { forward: FORWARD }, { isForwardSpent: true }],
    ['own-boot', 'whose boot files were made again', { forward: { ...FORWARD, isReplaced: true } }, {}],
    ['refresh', 'whose boot files are old', { forward: FORWARD }, { bootFiles: 'stale' }],
    ['refresh', 'whose boot files are gone', { forward: FORWARD }, { bootFiles: 'absent' }],
  ])('needs %s where it is one %s', (needs, _what, device, facts) => {
    expect(decide(device, facts)).toMatchObject({ state: 'to-do', needs })
  })

  it('needs a boot of its own where neither side knows a shared register', () => {
    const forward = { ...FORWARD, registers: WITHOUT_18 }
    expect(decide({ forward }, {}, WITHOUT_18)).toMatchObject({ needs: 'own-boot' })
  })
})

describe('a device that was verified', () => {
  it('is left to do where neither side knows a shared register', () => {
    expect(decide({ verified: { ...VERIFIED, registers: WITHOUT_18 } }, {}, WITHOUT_18)).toMatchObject({
      state: 'to-do',
      why: 'in its own boot PCR 18 was another than the approved one',
    })
  })

  it("is left to do where its own sealed files are not dom0's, and done where that is not known", () => {
    const work = (areSame: boolean | null) => decide({ verified: VERIFIED }, { copies: { areSame } })
    expect(work(false)).toMatchObject({
      state: 'to-do',
      needs: 'own-boot',
      why: expect.stringContaining('are not those that dom0 has'),
    })
    expect([work(true), work(null)]).toEqual([{ state: 'done' }, { state: 'done' }])
  })

  it('tells what it is sealed for by its token, which both sides have to know', () => {
    const facts = {
      sealed: true,
      binding: 'other',
      isBooted: false,
      present: PCRS,
      shared: [13, 17, 18],
    } as const
    const sealedFor = (tokenSha256: string | null, own: string | null) =>
      decideSealedFor({ ...facts, tokenSha256, verified: { ...VERIFIED, tokenSha256: own } })
    expect(sealedFor('f0', 'f0')).toBe('own-boot')
    expect(sealedFor(null, null)).toBeNull()
  })
})
