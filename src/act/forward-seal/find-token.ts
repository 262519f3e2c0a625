import { createHash } from 'node:crypto'
import type { GateCheck } from '../../core/decide/readiness.ts'
import { findSlots, listUsableSlots, UNREAD_SLOTS } from '../../core/seal/freshness.ts'
import type { Host } from '../../host/host.ts'
import { valueOrNull } from '../../host/host.ts'
import type { AemDevice } from '../../observe/device/devices.ts'
import { plainSecretPath } from '../../observe/seal/plain-secrets.ts'
import { openTpm2Trial } from '../../observe/verify/trial-unseal-tpm2.ts'
import { openTpm12Trial } from '../../observe/verify/trial-unseal-tpm12.ts'

export type FoundToken = { readonly label: string | null; readonly check: GateCheck }

/**
 * The token is sealed again as it is: it must be one that the TPM still expects. For another device on TPM 2.0 that is the
 * booted one's: all devices share the one slot that AEM reads there (listUsableSlots), and each seal puts its own into it.
 */
export async function findToken(
  host: Host,
  device: AemDevice | null,
  booted: AemDevice | null,
  version: string | null,
): Promise<FoundToken> {
  const id = 'freshness'
  const trial = version === '1.2' ? await openTpm12Trial(host) : await openTpm2Trial(host)
  if ('why' in trial) return { label: null, check: { id, ok: null, detail: trial.why } }
  try {
    const nv = await trial.readFreshness()
    const own = await slotsOfToken(host, device?.label, nv, version)
    if (own === null)
      return {
        label: null,
        check: { id, ok: null, detail: 'the freshness token or its slots could not be read' },
      }
    const usable = listUsableSlots(version === '1.2' ? '1.2' : '2.0')
    const isUsable = (slots: readonly number[] | null): boolean =>
      slots?.some((slot) => usable.includes(slot)) === true
    if (isUsable(own))
      return {
        label: device?.label ?? null,
        check: { id, ok: true, detail: `slot ${own.join(', ')} holds the token that is sealed again` },
      }
    const shared = usable.length === 1 ? await slotsOfToken(host, booted?.label, nv, version) : null
    if (isUsable(shared))
      return {
        label: booted?.label ?? null,
        check: {
          id,
          ok: true,
          detail: `the token of ${booted?.label} is sealed, as it lies in slot 0: ${UNREAD_SLOTS} with another`,
        },
      }
    const detail =
      own.length > 0
        ? `the token lies in slot ${own.join(', ')}, but ${UNREAD_SLOTS}`
        : 'no slot of the TPM holds this token (another device took it): let AEM seal once first'
    return { label: null, check: { id, ok: false, detail } }
  } finally {
    await trial.close()
  }
}

/** @returns null where the token or the slots could not be read, or no device is known */
async function slotsOfToken(
  host: Host,
  label: string | undefined,
  nv: Uint8Array | null,
  version: string | null,
): Promise<readonly number[] | null> {
  const token = label === undefined ? null : valueOrNull(await host.readFile(plainSecretPath(label, 'fre')))
  if (nv === null || token === null) return null
  const digest = createHash(version === '1.2' ? 'sha1' : 'sha256')
    .update(token)
    .digest('hex')
  return findSlots(nv, digest)
}
