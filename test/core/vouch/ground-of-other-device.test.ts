import { createHash } from 'node:crypto'
import { expect, it } from 'vitest'
import {
  type DeviceLedger,
  emptyDeviceLedger,
  findLedgerDevice,
} from '../../../src/core/session/device-ledger.ts'
import { decideGround } from '../../../src/core/vouch/ground.ts'
import { deriveRegisters } from '../../../src/core/vouch/other-device.ts'
import { makeApprovedBoot } from '../../support/approved-boot.ts'

/* A boot from a device that none was approved from: its own register is computed from the approved boot of another one. */

const AT = '2024-07-17T09:00:00.000Z'
const [HERE, THERE] = ['11111111-0000-4000-8000-000000000001', '22222222-0000-4000-8000-000000000002']
const sha = (...parts: (Buffer | string)[]) =>
  parts.reduce((hash, part) => hash.update(part), createHash('sha256')).digest()
const LINE = `placeholder aem.uuid=${HERE}`
const digest = sha(sha(LINE), sha('kernel'))
const [OWN] = [sha(Buffer.alloc(32), digest).toString('hex')]

const boot = makeApprovedBoot({
  registers: { 18: 'cc', 19: OWN! },
  files: [
    {
      role: 'kernel',
      path: '/kernel',
      sha256: null,
      digests: { sha256: sha('kernel').toString('hex') },
      isMeasured: true,
      package: null,
    },
  ],
  components: [
    {
      role: 'kernel',
      path: '/kernel',
      commandLine: LINE,
      pcr: 19,
      digests: { sha256: digest.toString('hex') },
    },
  ],
})

/** @param registers of the state that was approved last, on the device of `boot` */
function groundWith(registers: Record<string, string>) {
  const empty = emptyDeviceLedger(AT)
  const ledger: DeviceLedger = {
    ...empty,
    approved: {
      at: AT,
      bootId: 'boot-1',
      label: 'aem',
      bank: 'sha256',
      registers,
      shared: [18],
      packages: null,
    },
    devices: [{ ...findLedgerDevice(empty, 'aem'), uuid: HERE, approved: boot }],
  }
  return decideGround({
    bootId: 'boot-9',
    device: { label: 'aem.stick', uuid: THERE },
    bank: 'sha256',
    registers: { 18: 'cc', 19: deriveRegisters(boot, HERE, THERE, null)![19]! },
    selected: [18, 19],
    unseal: 'unsealed',
    look: { state: 'read', ledger },
  })
}

it('is ground where it is the approved boot but for the device', () => {
  expect(groundWith(boot.registers)).toEqual({ state: 'vouched', by: 'approved-state', since: AT })
})

it('is none where that boot is older than the state that was approved last', () => {
  expect(groundWith({ ...boot.registers, 19: 'another kernel' })).toMatchObject({
    state: 'not-vouched',
    why: 'device-not-approved',
    registers: [19],
  })
})
