import { renderSlotFile, type SlotChange } from '../core/seal/slot-repair.ts'
import type { Host } from '../host/host.ts'
import { AEM_DIR } from '../observe/device/devices.ts'

/** Where AEM keeps which freshness slot a device has. */
export function slotPath(label: string): string {
  return `${AEM_DIR}/${label}/tpm-freshness-slot`
}

/** Writes the slot files in AEM's own form. @throws Failure where one cannot be written; those before it are */
export async function writeSlotFiles(host: Host, changes: readonly SlotChange[]): Promise<void> {
  for (const { label, to } of changes)
    await host.writeFileAtomic(slotPath(label), Buffer.from(renderSlotFile(to)), 0o644)
}
