import { computeTpm12Composite, type Tpm12Binding } from '../seal/tpm12-blob.ts'
import { type Check, judgeBound } from './verify-copies.ts'

type Blob = { readonly name: string; readonly binding: Tpm12Binding | null }

export type Tpm12Bindings = {
  readonly checks: readonly Check[]
  /** All blobs are bound to the values an open session sealed forward to. */
  readonly isForward: boolean
}

/** On TPM 1.2 each blob names its registers and their digest itself. */
export function checkTpm12Bindings(
  blobs: readonly Blob[] | null,
  selected: readonly number[] | null,
  values: Readonly<Record<number, string>>,
  forward: Readonly<Record<number, string>> | null,
): Tpm12Bindings {
  const unread = blobs === null || blobs.length === 0 || blobs.some(({ binding }) => binding === null)
  const now = selected === null ? null : computeTpm12Composite(selected, values)
  if (unread || now === null || selected === null) {
    const detail = unread ? "the device's sealed files could not be read" : 'a selected PCR could not be read'
    const [selection, policy] = (['selection', 'policy'] as const).map((id) => ({ id, ok: null, detail }))
    return { checks: [selection!, policy!], isForward: false }
  }
  const list = [...selected].sort((a, b) => a - b).join()
  const otherList = blobs.filter(({ binding }) => binding?.pcrs.join() !== list)
  const next = forward === null ? null : computeTpm12Composite(selected, forward)
  const isBound = (digest: string | null): boolean =>
    digest !== null && blobs.every(({ binding }) => binding?.digestAtRelease === digest)
  const isForward = !isBound(now) && isBound(next)
  const selection: Check = {
    id: 'selection',
    ok: otherList.length === 0,
    detail:
      otherList.length === 0
        ? `sealed to sha1:${list}`
        : `SEAL says ${list}; sealed to others: ${otherList.map(({ name }) => name).join(', ')}`,
  }
  const policy = isBound(now) ? judgeBound(selected, values) : policyOf(isForward)
  return { checks: [selection, policy], isForward }
}

function policyOf(isForward: boolean): Check {
  const id = 'policy'
  if (isForward)
    return { id, ok: null, detail: 'sealed forward: bound to the predicted PCR values of the next boot' }
  return { id, ok: false, detail: 'bound to other PCR values than those of this boot' }
}
