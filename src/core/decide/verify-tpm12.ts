import type { Tpm12Binding } from '../seal/tpm12-blob.ts'
import type { Check } from './verify-copies.ts'

export type NamedBlob = { readonly name: string; readonly binding: Tpm12Binding | null }

/** On TPM 1.2 each blob names its registers itself: are they those of SEAL? @param blobs null: not read */
export function checkTpm12Selection(
  blobs: readonly NamedBlob[] | null,
  selected: readonly number[] | null,
): Check {
  const id = 'selection'
  if (blobs === null || blobs.length === 0 || blobs.some(({ binding }) => binding === null))
    return { id, ok: null, detail: "the device's sealed files could not be read" }
  if (selected === null) return { id, ok: null, detail: 'SEAL of /etc/anti-evil-maid.conf could not be read' }
  const list = [...selected].sort((a, b) => a - b).join()
  const others = blobs.filter(({ binding }) => binding?.pcrs.join() !== list)
  return others.length === 0
    ? { id, ok: true, detail: `sealed to sha1:${list}` }
    : {
        id,
        ok: false,
        detail: `SEAL says ${list}; sealed to others: ${others.map(({ name }) => name).join(', ')}`,
      }
}
