import { describe, expect, it } from 'vitest'
import type { ApprovedBoot } from '../../../src/core/session/approved-boot.ts'
import {
  type ApprovedState,
  approveState,
  type DeviceLedger,
  emptyDeviceLedger,
  findComparedState,
  parseDeviceLedger,
} from '../../../src/core/session/device-ledger.ts'
import { makeApprovedBoot } from '../../support/approved-boot.ts'

const AT = '2024-07-17T09:00:00.000Z'
const LATER = '2024-07-18T09:00:00.000Z'

const approved: ApprovedState = {
  at: AT,
  bootId: 'boot-1',
  label: 'aem',
  bank: 'sha256',
  registers: { '17': 'aa', '18': 'bb', '19': 'cc' },
  shared: [17, 18],
  packages: ['xen-hypervisor 2001:4.17.4-4.fc37'],
}

const ledger: DeviceLedger = {
  ...emptyDeviceLedger(AT),
  approved,
  devices: [
    {
      label: 'aem',
      uuid: null,
      verified: null,
      approved: null,
      knownFiles: [],
      forward: null,
      leftSince: AT,
    },
  ],
}

describe('parseDeviceLedger', () => {
  it('reads what was written', () => {
    expect(parseDeviceLedger(JSON.stringify(ledger))).toEqual({ state: 'read', ledger })
  })

  it.each([
    ['damaged', '{', 'Expected'],
    ['damaged', JSON.stringify({ ...ledger, devices: 1 }), 'devices'],
    [
      'damaged',
      JSON.stringify({ ...ledger, approved: { ...approved, registers: { '18': 'XX' } } }),
      'approved',
    ],
    [
      'damaged',
      JSON.stringify({ ...ledger, approved: { ...approved, registers: { '181': 'aa' } } }),
      'approved',
    ],
    ['damaged', JSON.stringify({ ...ledger, approved: { ...approved, proof: 'proven' } }), 'approved'],
    [
      'damaged',
      JSON.stringify({
        ...ledger,
        devices: [{ ...ledger.devices[0], forward: { at: AT, registers: {}, isReplaced: false } }],
      }),
      'forward.isReplaced',
    ],
    ['damaged', JSON.stringify({ ...ledger, version: 0 }), 'version'],
    ['damaged', JSON.stringify({ ...ledger, version: 1.5 }), 'version'],
    ['foreign', '{"format":"other","version":1}', 'aem-reseal devices'],
    ['foreign', '[]', 'aem-reseal devices'],
    ['newer', JSON.stringify({ ...ledger, version: 3 }), 'version 3'],
  ])('calls a file that is none %s', (state, text, detail) => {
    expect(parseDeviceLedger(text)).toEqual({ state, detail: expect.stringContaining(detail) })
  })
})

it.each(['ab'.repeat(33), `x${'ab'.repeat(32)}`, 'AB'.repeat(32)])(
  'a file whose digest is not one (%s) makes the list damaged',
  (sha256) => {
    const knownFiles = [{ name: 'initramfs-6.6.img', sha256 }]
    const text = JSON.stringify({ ...ledger, devices: [{ ...ledger.devices[0], knownFiles }] })
    expect(parseDeviceLedger(text)).toMatchObject({
      state: 'damaged',
      detail: expect.stringContaining('sha256'),
    })
  },
)

describe('approveState', () => {
  it('takes the first one', () => {
    expect(approveState(emptyDeviceLedger(AT), approved).approved).toEqual(approved)
  })

  it('keeps the time of a state that is the same on every device', () => {
    const again = {
      ...approved,
      at: LATER,
      label: 'aem.stick',
      registers: { ...approved.registers, '19': 'dd' },
    }
    expect(approveState(ledger, again)).toEqual(ledger)
  })

  it("takes the device's own registers again where it is approved on the same device again", () => {
    const registers = { ...approved.registers, '19': 'dd' }
    expect(approveState(ledger, { ...approved, at: LATER, registers }).approved).toEqual({
      ...approved,
      registers,
    })
  })

  it.each([
    ['another shared register', { registers: { ...approved.registers, '18': 'ee' } }],
    ['other packages', { packages: ['xen-hypervisor 2001:4.17.4-5.fc37'] }],
    ['packages that are not known', { packages: null }],
    ['a shared register that was not read', { registers: { '17': 'aa' } }],
    ['another selection', { shared: [17] }],
    ['a register more that is shared', { shared: [17, 18, 19] }],
  ])('takes the new one for %s', (_what, change) => {
    expect(approveState(ledger, { ...approved, at: LATER, ...change }).approved?.at).toBe(LATER)
  })
})

it.each([
  ['packages were known in neither', { packages: null }],
  ['a shared register was read in neither', { shared: [17, 18, 22] }],
])('a state is not taken for the approved one where %s', (_what, change) => {
  const before = { ...ledger, approved: { ...approved, ...change } }
  expect(approveState(before, { ...before.approved, at: LATER }).approved?.at).toBe(LATER)
})

it('a list of the first version is read in the form of now', () => {
  const { bank: _none, ...old } = approved
  expect(parseDeviceLedger(JSON.stringify({ ...ledger, version: 1, approved: old }))).toEqual({
    state: 'read',
    ledger: { ...ledger, approved: { ...approved, bank: null } },
  })
})

describe('the state that a boot is to be like', () => {
  const OLDER = '2024-07-16T09:00:00.000Z'
  const PACKAGES = [{ name: 'xen-hypervisor', evr: '2001:4.17.4-4.fc37' }]
  const NAMES = PACKAGES.map(({ name, evr }) => `${name} ${evr}`)
  const KERNEL = { name: 'kernel', evr: '6.6.36-1.fc37' }
  const own = makeApprovedBoot({
    at: OLDER,
    registers: { '17': 'aa', '18': 'bb', '19': 'dd' },
    packages: PACKAGES,
  })
  const stateOf = (state: Partial<ApprovedState>, boot: Partial<ApprovedBoot> = {}) =>
    findComparedState(
      {
        ...ledger,
        approved: { ...approved, ...state },
        devices: [{ ...ledger.devices[0]!, label: 'aem.stick', approved: { ...own, ...boot } }],
      },
      'aem.stick',
    )?.at ?? null
  const older = { packages: [{ name: 'xen-hypervisor', evr: '2001:4.17.4-3.fc37' }] }

  it.each([
    ['what all devices share is the same', {}, {}, OLDER],
    ['what devices share is the same, and packages came since', {}, older, null],
    ['an older kernel was removed since', {}, { packages: [...PACKAGES, KERNEL] }, OLDER],
    ['a kernel came since', { packages: [...NAMES, 'kernel 6.6.40-1.fc37'] }, {}, null],
    ['a shared register is another', { registers: { '17': 'aa', '18': 'ee' } }, {}, null],
    ['a shared register is another, approved before', { registers: { '18': 'ee' }, at: OLDER }, {}, OLDER],
    ['no register of the launch is shared', { shared: [13] }, {}, OLDER],
    ['none is shared, and the packages are others', { shared: [13] }, older, null],
    ['the packages are not known', { packages: null }, {}, null],
    ['its own packages are not known', {}, { packages: null }, null],
    ['a shared register was not read in its own', {}, { registers: { '17': 'aa' } }, OLDER],
    ['a shared register was not read in the other', { registers: { '17': 'aa' } }, {}, OLDER],
    ['the other is of the form without a bank', { registers: { '18': 'ee' }, bank: null }, {}, OLDER],
  ])('is its own, or none where another is newer: %s', (_what, state, boot, at) => {
    expect(stateOf(state, boot)).toBe(at)
  })
})
