import { listSharedRegisters } from '../../src/core/decide/device-work.ts'
import {
  type DeviceLedger,
  emptyDeviceLedger,
  findLedgerDevice,
  type LedgerDevice,
  putLedgerDevice,
} from '../../src/core/session/device-ledger.ts'
import type { Dom0 } from '../../src/observe/dom0/dom0.ts'
import { observeFlavour } from '../../src/observe/dom0/status.ts'
import { observeBootContents } from '../../src/observe/launch/approved-boot.ts'
import { observePackageNames } from '../../src/observe/launch/booted-state.ts'
import { registersOf } from '../../src/observe/launch/pcrs.ts'

export const APPROVED_AT = '2024-07-16T08:00:00.000Z'

export type ReadLook = { readonly state: 'read'; readonly ledger: DeviceLedger }

/** The device ledger in which the boot that dom0 runs is the approved one, with all that is kept of it. */
export async function approvedLook(dom0: Dom0): Promise<ReadLook> {
  const [machine, tpm, device] = [await dom0.machine(), await dom0.tpm(), (await dom0.booted())!]
  const names = (await observePackageNames(dom0))!
  const packages = names.map((words) => ({ name: words.split(' ')[0]!, evr: words.split(' ')[1]! }))
  const contents = { ...(await observeBootContents(dom0, device, machine, tpm)), packages }
  const selected = (await dom0.selectedPcrs()) ?? []
  const { bootId, bootTime } = machine
  const boot = {
    ...{ at: APPROVED_AT, bootId, bank: 'sha256' as const },
    registers: Object.fromEntries(selected.map((index) => [String(index), registersOf(tpm)[index]!])),
  }
  const shared = [...listSharedRegisters(selected, await observeFlavour(dom0.host))]
  const empty = emptyDeviceLedger(APPROVED_AT)
  const ledger = putLedgerDevice(
    { ...empty, approved: { ...boot, label: device.label, shared, packages: [...names] } },
    {
      ...findLedgerDevice(empty, device.label),
      uuid: device.uuid,
      approved: { ...boot, bootTime, how: 'accepted', ...contents },
    },
  )
  return { state: 'read', ledger }
}

/** The ledger with something else of one device. */
export function lookWith({ ledger }: ReadLook, label: string, change: Partial<LedgerDevice>): ReadLook {
  return {
    state: 'read',
    ledger: putLedgerDevice(ledger, { ...findLedgerDevice(ledger, label), ...change }),
  }
}
