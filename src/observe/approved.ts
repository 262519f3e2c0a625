import { listSharedRegisters } from '../core/decide/device-work.ts'
import { checkApproved } from '../core/decide/forward-device.ts'
import type { GateCheck } from '../core/decide/readiness.ts'
import type { LedgerLook } from '../core/session/device-ledger.ts'
import type { Host } from '../host/host.ts'
import { findBootedDevice, observeDevices } from './devices.ts'
import { observeMachine } from './machine.ts'
import { observeSelection } from './selection.ts'
import { observeFlavour } from './status.ts'
import { observeTpm } from './tpm.ts'

/** Does this boot, and the predicted one of another device, hold the approved state? */
export async function observeApproved(
  host: Host,
  look: LedgerLook,
  predicted: Readonly<Record<number, string>> | null,
): Promise<GateCheck> {
  const tpm = await observeTpm(host)
  const selected = (await observeSelection(host)) ?? []
  const machine = await observeMachine(host)
  const booted = findBootedDevice(await observeDevices(host, machine), machine.aemUuid)
  return checkApproved(
    look,
    {
      label: booted?.label ?? null,
      selected,
      shared: listSharedRegisters(selected, await observeFlavour(host)),
      registers: tpm.bank === null ? {} : (tpm.pcrs[tpm.bank] ?? {}),
    },
    predicted,
  )
}
