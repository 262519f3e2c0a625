import { listSharedRegisters } from '../../core/decide/device-work.ts'
import { checkApproved } from '../../core/decide/forward-device.ts'
import type { GateCheck } from '../../core/decide/readiness.ts'
import type { LedgerLook } from '../../core/session/device-ledger.ts'
import type { Dom0 } from '../dom0/dom0.ts'
import { observeFlavour } from '../dom0/status.ts'
import { registersOf } from './pcrs.ts'

/** Does this boot, and the predicted one of another device, hold the approved state? */
export async function observeApproved(
  dom0: Dom0,
  look: LedgerLook,
  predicted: Readonly<Record<number, string>> | null,
): Promise<GateCheck> {
  const { host } = dom0
  const tpm = await dom0.tpm()
  const selected = (await dom0.selectedPcrs()) ?? []
  const booted = await dom0.booted()
  return checkApproved(
    look,
    {
      label: booted?.label ?? null,
      selected,
      shared: listSharedRegisters(selected, await observeFlavour(host)),
      registers: registersOf(tpm),
    },
    predicted,
  )
}
