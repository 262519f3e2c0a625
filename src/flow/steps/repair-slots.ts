import { slotPath, writeSlotFiles } from '../../act/slot-files.ts'
import { forgetVerification } from '../../act/update-ledger.ts'
import { Failure } from '../../core/failure.ts'
import { planSlots } from '../../core/seal/slot-repair.ts'
import { describeSlotRehearsal, describeSlotRepair } from '../../messages/slots.ts'
import { observeSlots } from '../../observe/device/freshness-slots.ts'
import { observeDom0 } from '../../observe/dom0/dom0.ts'
import { line } from '../../ui/ui.ts'
import type { Step } from '../step.ts'

/**
 * Rewrites the slot files, in AEM's own form; the TPM is not touched. Until the device's next seal its token stays
 * where it is, and AEM's initrd takes a token from any slot that it can read.
 */
export const repairSlots: Step<'repair-slots'> = async ({ dom0, host, ui, options, store }) => {
  const found = await observeSlots(dom0)
  const { changes } = planSlots(found.devices, found.usable)
  if (options.dryRun) {
    ui.say(changes.map(({ label, to }) => line(`  would write ${to} to ${slotPath(label)}`, 'dim')))
    return { outcome: 'repaired', facts: { changes, dryRun: true }, message: describeSlotRehearsal(changes) }
  }
  try {
    await writeSlotFiles(host, changes)
  } catch (error) {
    if (!(error instanceof Failure)) throw error
    const { what } = error.text
    return { outcome: 'failed', facts: { changes, what }, message: describeSlotRepair(changes, what) }
  }
  // What is claimed is what the files say now.
  const after = observeDom0(host)
  const { devices } = await observeSlots(after)
  const isWritten = changes.every(({ label, to }) => devices.find((one) => one.label === label)?.slot === to)
  const outcome = isWritten && planSlots(devices, found.usable).shared.length === 0 ? 'repaired' : 'failed'
  const why = outcome === 'repaired' ? null : 'the slot files say otherwise after they were written'
  await forgetVerification(
    after,
    store,
    changes.map(({ label }) => label),
  )
  return { outcome, facts: { changes }, message: describeSlotRepair(changes, why) }
}
