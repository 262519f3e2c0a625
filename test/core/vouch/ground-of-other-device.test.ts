import { createHash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import {
  type ApprovedState,
  type DeviceLedger,
  emptyDeviceLedger,
  findLedgerDevice,
  type LedgerDevice,
} from '../../../src/core/session/device-ledger.ts'
import { decideGround, findModel, type GroundFacts } from '../../../src/core/vouch/ground.ts'
import { makeApprovedBoot } from '../../support/approved-boot.ts'

/* A boot from a device that none was approved from: its own register is computed from the approved boot of another one. */

const AT = '2024-07-17T09:00:00.000Z'
const LATE = '2024-07-19T09:00:00.000Z'
const [HERE, THERE] = ['11111111-0000-4000-8000-000000000001', '22222222-0000-4000-8000-000000000002']
const sha = (...parts: (Buffer | string)[]) =>
  parts.reduce((hash, part) => hash.update(part), createHash('sha256')).digest()
const moduleOf = (line: string, image: string) => sha(sha(line), sha(image))
const extend = (...digests: Buffer[]) =>
  digests.reduce((value, digest) => sha(value, digest), Buffer.alloc(32)).toString('hex')
const lineOf = (uuid: string) => `placeholder aem.uuid=${uuid}`
const registersFrom = (uuid: string, initramfs = 'initramfs'): Record<number, string> => ({
  13: 'aa',
  18: extend(moduleOf('placeholder', 'xen')),
  19: extend(moduleOf(lineOf(uuid), 'kernel'), moduleOf('', initramfs)),
})

const measured = (
  [
    ['xen', 18, 'placeholder'],
    ['kernel', 19, lineOf(HERE)],
    ['initramfs', 19, ''],
  ] as const
).map(([role, pcr, commandLine]) => ({ role, pcr, commandLine, path: `/${role}` }))
const boot = makeApprovedBoot({
  registers: registersFrom(HERE),
  files: measured.map(({ role, path }) => ({
    ...{ role, path, sha256: null, isMeasured: true, package: null },
    digests: { sha256: sha(role).toString('hex') },
  })),
  components: measured.map((one) => ({
    ...one,
    digests: { sha256: moduleOf(one.commandLine, one.role).toString('hex') },
  })),
})
const lastApproved: ApprovedState = {
  at: AT,
  bootId: 'boot-1',
  label: 'aem',
  bank: 'sha256',
  registers: boot.registers,
  shared: [13, 18],
  packages: null,
}
const empty = emptyDeviceLedger(AT)
const modelDevice: LedgerDevice = { ...findLedgerDevice(empty, 'aem'), uuid: HERE, approved: boot }

/** @param approved of the state that was approved last, on the device of `boot` */
function groundWith(
  approved: Partial<ApprovedState> = {},
  facts: Partial<GroundFacts> = {},
  stick: Partial<LedgerDevice> | null = null,
) {
  const own = stick === null ? [] : [{ ...findLedgerDevice(empty, 'aem.stick'), uuid: THERE!, ...stick }]
  const ledger: DeviceLedger = {
    ...empty,
    approved: { ...lastApproved, ...approved },
    devices: [modelDevice, ...own],
  }
  return decideGround({
    bootId: 'boot-9',
    device: { label: 'aem.stick', uuid: THERE! },
    bank: 'sha256',
    registers: registersFrom(THERE!),
    selected: [13, 18, 19],
    unseal: 'unsealed',
    look: { state: 'read', ledger },
    ...facts,
  })
}

const VOUCHED = { state: 'vouched', by: 'approved-state', since: AT }
const refused = (...registers: number[]) => ({
  ...{ state: 'not-vouched', why: 'device-not-approved', since: AT, registers },
})

it('is ground where it is the approved boot but for the device', () => {
  expect(groundWith()).toEqual(VOUCHED)
})

it('is none where that boot is older than the state that was approved last', () => {
  expect(groundWith({ registers: { ...boot.registers, 19: 'another kernel' } })).toEqual(refused(19))
})

it.each<[string, Partial<ApprovedState>, Partial<GroundFacts>, number[]]>([
  ['another kernel', {}, { registers: { ...registersFrom(THERE!), 19: 'ee' } }, [19]],
  [
    'one other register of two that it has for itself',
    { shared: [13] },
    { registers: { ...registersFrom(THERE!), 19: 'ee' } },
    [18, 19],
  ],
  ['a register that nothing says anything of', {}, { selected: [13, 18, 19, 22] }, [19, 22]],
  [
    'a device that nothing names',
    {},
    { device: { label: null, uuid: null }, registers: registersFrom('null') },
    [19],
  ],
])('is none with %s', (_what, approved, facts, registers) => {
  expect(groundWith(approved, facts)).toEqual(refused(...registers))
})

it('may have the initramfs that was made for it, and no other', () => {
  const made = { sha256: sha('made here').toString('hex') }
  const registers = registersFrom(THERE!, 'made here')
  expect(groundWith({}, { registers, madeInitramfs: made })).toEqual(VOUCHED)
  expect(groundWith({}, { madeInitramfs: made })).toEqual(VOUCHED)
  expect(groundWith({}, { registers })).toEqual(refused(19))
  expect(groundWith({}, { registers, madeInitramfs: null })).toEqual(refused(19))
  const other = { sha256: sha('another').toString('hex') }
  expect(groundWith({}, { registers, madeInitramfs: other })).toEqual(refused(19))
})

it('is not that of a state whose device is not known either', () => {
  const device = { label: null, uuid: null }
  const registers = { ...registersFrom(HERE!), 19: 'ee' }
  expect(groundWith({ label: null }, { device, registers })).toEqual(refused(19))
})

describe('a boot that was sealed forward', () => {
  const { 19: _beside, ...sealed } = registersFrom(THERE!)
  const forward = { at: LATE, bank: 'sha256' as const, registers: sealed, tokens: {} }
  const groundOf = (registers: Record<number, string>) =>
    groundWith({}, { selected: [18], registers }, { forward })

  it('is compared beside what AEM seals to with the boot that it was sealed from', () => {
    expect(groundOf(registersFrom(THERE!))).toEqual({ ...VOUCHED, since: LATE })
    expect(groundOf({ ...registersFrom(THERE!), 19: 'ee' })).toEqual({ ...refused(19), since: LATE })
  })
})

it('is compared with nothing of another device where its own boot was approved', () => {
  const approved = makeApprovedBoot({ registers: registersFrom(THERE!) })
  const filled = { registers: { ...boot.registers, 22: 'ff' } }
  expect(groundWith(filled, {}, { approved })).toEqual(VOUCHED)
})

describe('the approved boot that another one is computed from', () => {
  const modelIn = (device: Partial<LedgerDevice>, approved: ApprovedState | null, label: string | null) =>
    findModel({ ...empty, approved, devices: [{ ...modelDevice, ...device }] }, label)

  it('is that of its device, with the UUID that the line names', () => {
    expect(modelIn({}, lastApproved, 'aem')).toEqual({ boot, uuid: HERE })
    expect(modelIn({}, null, 'aem')).toEqual({ boot, uuid: HERE })
  })

  it.each<[string, Partial<LedgerDevice>, ApprovedState | null, string | null]>([
    ['the device is not known', {}, lastApproved, null],
    ['the device is not in the list', {}, null, 'aem.stick'],
    ['its UUID is not known', { uuid: null }, lastApproved, 'aem'],
    ['no boot of it was kept', { approved: null }, null, 'aem'],
    ['another state was approved since', {}, { ...lastApproved, registers: { 18: 'ee' } }, 'aem'],
  ])('is none where %s', (_why, device, approved, label) => {
    expect(modelIn(device, approved, label)).toBeNull()
  })
})
