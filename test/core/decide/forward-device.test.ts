import { describe, expect, it } from 'vitest'
import { checkApproved } from '../../../src/core/decide/forward-device.ts'
import {
  emptyDeviceLedger,
  type LedgerDevice,
  type LedgerLook,
} from '../../../src/core/session/device-ledger.ts'

const AT = '2024-07-17T09:00:00.000Z'
const LATER = '2024-07-18T09:00:00.000Z'
const REGISTERS = { '13': '0d', '17': 'aa', '18': 'bb', '19': 'c1' }
const EVIL = { ...REGISTERS, '19': 'ee' }

const NOTHING = { uuid: null, verified: null, approved: null, knownFiles: [], forward: null, leftSince: null }

/** Sealed forward to these registers: that approves them. */
function approvedDevice(label: string, at: string, registers: Record<string, string>): LedgerDevice {
  return { ...NOTHING, label, forward: { at, bank: 'sha256', registers, tokens: {} } }
}

/** Every check was true in a boot from it, which AEM's own seal makes of any boot. */
function verifiedDevice(label: string, at: string, registers: Record<string, string>): LedgerDevice {
  const verified = { at, bootId: 'x', registers, isCurrent: true, why: null, tokenSha256: 'f0', tokens: {} }
  return { ...NOTHING, label, verified }
}

/** The state was approved on `aem`. */
function ledgerWith(...devices: LedgerDevice[]): LedgerLook {
  const approved = {
    at: AT,
    bootId: 'b',
    label: 'aem',
    bank: 'sha256' as const,
    registers: REGISTERS,
    shared: [13, 17, 18],
    packages: [],
  }
  return { state: 'read', ledger: { ...emptyDeviceLedger(AT), approved, devices } }
}

function bootOf(label: string | null, registers: Record<string, string> = REGISTERS) {
  return { label, selected: [13, 17, 18, 19], shared: [13, 17, 18], registers }
}

const STICK_LATER = ledgerWith(approvedDevice('aem.stick', LATER, REGISTERS))

describe('this boot, compared with the approved state', () => {
  it('is the approved one on the device it was approved on', () => {
    expect(checkApproved(ledgerWith(), bootOf('aem'), null)).toEqual({
      id: 'approved-state',
      ok: true,
      detail: `as it was approved at ${AT}`,
    })
  })

  it('is not told where no state was approved, the list is not read, or no register is shared', () => {
    const none: LedgerLook = { state: 'read', ledger: emptyDeviceLedger(AT) }
    expect(checkApproved(none, bootOf('aem'), null).ok).toBeNull()
    expect(checkApproved({ state: 'absent' }, bootOf('aem'), null).ok).toBeNull()
    expect(checkApproved(ledgerWith(), { ...bootOf('aem'), shared: [] }, null).ok).toBeNull()
  })

  it('takes what was approved of another device, and no verification of it', () => {
    expect(checkApproved(STICK_LATER, bootOf('aem.stick'), null).ok).toBe(true)
    const verified = ledgerWith(verifiedDevice('aem.stick', LATER, REGISTERS))
    expect(checkApproved(verified, bootOf('aem.stick'), null)).toMatchObject({
      ok: false,
      detail: expect.stringContaining('no boot from aem.stick was approved'),
    })
  })

  it('compares the device it was approved on with the approval, whatever it was verified with since', () => {
    const look = ledgerWith(verifiedDevice('aem', LATER, EVIL))
    expect(checkApproved(look, bootOf('aem', EVIL), null)).toMatchObject({
      ok: false,
      detail: expect.stringContaining('PCR 19'),
    })
    expect(checkApproved(look, bootOf('aem'), null).ok).toBe(true)
  })

  it('says nothing of a boot from a device that is not known', () => {
    expect(checkApproved(STICK_LATER, bootOf(null), null)).toMatchObject({
      ok: false,
      detail: expect.stringContaining('the device this boot came from'),
    })
  })

  it('must have all selected registers of its own device, and the shared ones as approved', () => {
    const moved = { ...REGISTERS, '18': 'ee' }
    const look = ledgerWith(approvedDevice('aem.stick', LATER, moved))
    // Approved so on it, but not on the other one.
    expect(checkApproved(look, bootOf('aem.stick', moved), null)).toMatchObject({
      ok: false,
      detail: expect.stringContaining('PCR 18 of this boot'),
    })
    // A register of its own is another than was approved on it.
    expect(checkApproved(STICK_LATER, bootOf('aem.stick', EVIL), null)).toMatchObject({
      ok: false,
      detail: expect.stringContaining('PCR 19 of this boot'),
    })
  })

  it('does not take a register that is in no record for an equal one', () => {
    const { 19: _, ...less } = REGISTERS
    const look = ledgerWith(approvedDevice('aem.stick', LATER, less))
    expect(checkApproved(look, bootOf('aem.stick', less), null)).toMatchObject({
      ok: false,
      detail: expect.stringContaining('PCR 19'),
    })
  })

  it('has no register that is a public constant', () => {
    const unlaunched = { ...REGISTERS, '18': 'ff'.repeat(32) }
    const look = ledgerWith(approvedDevice('aem.stick', LATER, unlaunched))
    expect(checkApproved(look, bootOf('aem.stick', unlaunched), null)).toMatchObject({
      ok: false,
      detail: expect.stringContaining('public constant'),
    })
  })
})

describe('the predicted boot of the other device', () => {
  it('has the approved shared registers, and its own PCR 19', () => {
    expect(checkApproved(ledgerWith(), bootOf('aem'), EVIL).ok).toBe(true)
    expect(checkApproved(ledgerWith(), bootOf('aem'), { ...REGISTERS, 18: 'ee' })).toMatchObject({
      ok: false,
      detail: expect.stringContaining('its next boot would have another PCR 18'),
    })
  })

  it('is not taken where a shared register is not predicted', () => {
    expect(checkApproved(ledgerWith(), bootOf('aem'), { 13: '0d', 17: 'aa' })).toMatchObject({
      ok: false,
      detail: expect.stringContaining('another PCR 18'),
    })
  })
})
