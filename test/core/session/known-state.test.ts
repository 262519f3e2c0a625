import { describe, expect, it } from 'vitest'
import {
  type ApprovedState,
  emptyDeviceLedger,
  findApprovedState,
  findKnownState,
  findLedgerDevice,
  type LedgerDevice,
  putLedgerDevice,
} from '../../../src/core/session/device-ledger.ts'
import { makeApprovedBoot } from '../../support/approved-boot.ts'

const EARLY = '2024-07-15T09:00:00.000Z'
const AT = '2024-07-17T09:00:00.000Z'
const LATE = '2024-07-19T09:00:00.000Z'
const empty = emptyDeviceLedger(AT)

const boot = makeApprovedBoot({
  registers: { '18': 'aa' },
  packages: [{ name: 'xen-hypervisor', evr: '2001:4.17.4-4.fc37' }],
})
const forward: NonNullable<LedgerDevice['forward']> = {
  ...{ at: LATE, bank: 'sha256', registers: { '18': 'bb' }, tokens: {} },
}
const accepted: ApprovedState = {
  ...{ at: LATE, bootId: 'boot-2', label: 'aem', bank: 'sha256', registers: { '18': 'cc' } },
  ...{ shared: [18], packages: ['xen-hypervisor 2001:4.17.4-5.fc37'] },
}
const believed: NonNullable<LedgerDevice['believed']> = {
  ...{
    at: LATE,
    bootId: 'boot-0',
    bank: 'sha256',
    registers: { '18': 'dd' },
    shared: [18],
    packages: ['x 1'],
  },
}
const names = ['xen-hypervisor 2001:4.17.4-4.fc37']

const ledgerOf = (device: Partial<LedgerDevice>, approved: ApprovedState | null = null) => ({
  ...empty,
  approved,
  devices: [{ ...findLedgerDevice(empty, 'aem'), ...device }],
})
const stateOf = (device: Partial<LedgerDevice>, approved: ApprovedState | null = null) =>
  findApprovedState(ledgerOf(device, approved), 'aem')

describe('the newest state that was approved of a device', () => {
  it('is its approved boot, whole, with the names of the packages', () => {
    expect(stateOf({ approved: boot })).toEqual({ ...boot, packages: names, boot })
    const unlisted = { ...boot, packages: null }
    expect(stateOf({ approved: unlisted })).toEqual({ ...unlisted, boot: unlisted })
  })

  it('is what it was sealed forward to since, of which no boot is known', () => {
    const sealed = { at: LATE, registers: forward.registers, how: 'forward-sealed', bootId: null }
    expect(stateOf({ approved: boot, forward })).toMatchObject({ ...sealed, packages: null, boot: null })
    expect(stateOf({ forward })).toMatchObject({ ...sealed, packages: null, boot: null })
  })

  it('names the boot before where its files were made again after the forward seal', () => {
    const replaced = { ...forward, isReplaced: true } as const
    expect(stateOf({ approved: boot, forward: replaced })).toMatchObject({
      ...{ how: 'forward-sealed', registers: forward.registers, packages: names, boot },
    })
    expect(stateOf({ forward: replaced })).toMatchObject({ packages: null, boot: null })
  })

  it('is what was accepted on it without a verified copy, and on no other', () => {
    expect(stateOf({ approved: boot }, accepted)).toMatchObject({
      ...{
        at: LATE,
        how: 'accepted',
        registers: accepted.registers,
        packages: accepted.packages,
        boot: null,
      },
    })
    expect(stateOf({ approved: boot }, { ...accepted, label: 'aem.stick' })).toMatchObject({ at: AT })
  })

  it.each<[string, Partial<LedgerDevice>, ApprovedState | null]>([
    ['an earlier forward seal', { forward: { ...forward, at: EARLY } }, null],
    ['an earlier accepted state', {}, { ...accepted, at: EARLY }],
    ['a forward seal of the form without a bank', { forward: { ...forward, bank: null } }, null],
    ['an accepted state of the form without a bank', {}, { ...accepted, bank: null }],
    ['an accepted state of the same moment, which is the same without its boot', {}, { ...accepted, at: AT }],
  ])('is not %s', (_what, device, approved) => {
    expect(stateOf({ approved: boot, ...device }, approved)).toMatchObject({ at: AT, boot })
  })

  it('is none where nothing was approved, or only in the form without a bank', () => {
    expect(stateOf({})).toBeNull()
    expect(stateOf({ believed })).toBeNull()
    expect(stateOf({ forward: { ...forward, bank: null } }, { ...accepted, bank: null })).toBeNull()
  })
})

it('a boot that was believed on the first use is known, until one of the device is approved', () => {
  const known = (device: Partial<LedgerDevice>) => findKnownState(ledgerOf(device), 'aem')
  expect(known({ believed })).toEqual({ ...believed, how: 'believed', boot: null })
  expect(known({ believed, approved: boot })).toMatchObject({ how: 'accepted', at: AT })
  expect(known({})).toBeNull()
})

it('a device takes the place of the one of its label, in the order of labels', () => {
  const device = (label: string) => findLedgerDevice(empty, label)
  const two = putLedgerDevice({ ...empty, devices: [device('b')] }, device('a'))
  expect(two.devices).toEqual([device('a'), device('b')])
  const changed = { ...device('a'), leftSince: AT }
  const three = putLedgerDevice(putLedgerDevice(two, changed), device('c'))
  expect(three.devices).toEqual([changed, device('b'), device('c')])
})
