import type { TpmLook } from '../aem/tpm.ts'
import type { Check } from '../decide/verify-copies.ts'

/** anti-evil-maid-lib: TPM_FRESHNESS_SLOTS. Each slot holds the digest of one device's token. */
export const FRESHNESS_SLOTS = 8

const ALL_SLOTS: readonly number[] = Array.from({ length: FRESHNESS_SLOTS }, (_, slot) => slot)

/**
 * The slots in which AEM's initrd finds a token. With TPM 2.0 that is the first one alone: checkfreshness reads all
 * eight in one policy session, and a TPM resets such a session once it was used (TPM 2.0 part 1, policy sessions), so
 * that each further read fails with 0x99D (anti-evil-maid-lib-tpm2 4.2.0, and TrenchBoot's; seen with tpm2-tools 5.4).
 * May go when an AEM makes the policy again for each read. A TPM that is not known counts as one.
 */
export function listUsableSlots(version: TpmLook): readonly number[] {
  return version === '1.2' ? ALL_SLOTS : ALL_SLOTS.slice(0, 1)
}

/**
 * The slots that hold a token's digest.
 * @param nv the whole NV area 0x454d: 8 digests, sha256 on TPM 2.0, sha1 on TPM 1.2
 * @param digestHex digest of the token, in the same algorithm
 */
export function findSlots(nv: Uint8Array, digestHex: string): readonly number[] {
  const size = digestHex.length / 2
  const slots: number[] = []
  for (let slot = 0; slot < FRESHNESS_SLOTS; slot++) {
    const held = Buffer.from(nv.subarray(slot * size, (slot + 1) * size)).toString('hex')
    if (held === digestHex) slots.push(slot)
  }
  return slots
}

/** Why a token that the TPM holds is of no use, for a sentence. */
export const UNREAD_SLOTS =
  "on TPM 2.0 AEM's initrd reads slot 0 alone (a defect of AEM 4.2.0): no secret would appear"

/** The slot files of all devices dom0 knows. */
export type SlotOwner = { readonly label: string; readonly slot: number | null }

/** The labels that name the same slot as this device: AEM 4.2.0 gives 0 to each (assignslottosuffix, a quoted glob). */
export function findSlotSharers(label: string, owners: readonly SlotOwner[]): readonly string[] {
  const own = owners.find((owner) => owner.label === label)?.slot ?? null
  if (own === null) return []
  return owners.filter((owner) => owner.label !== label && owner.slot === own).map((owner) => owner.label)
}

/**
 * Is the unsealed token the one that the TPM expects of this device?
 * AEM's initrd takes it from any slot it can read; a token that lies in another device's slot is gone with that
 * device's next seal.
 * @param usable listUsableSlots of this TPM
 * @param isWhole is the token the one that AEM sealed; false: it is damaged or of an old copy, and no slot can hold it
 */
export function checkFreshness(
  digestHex: string | null,
  nv: Uint8Array | null,
  label: string,
  owners: readonly SlotOwner[],
  usable: readonly number[],
  isWhole: boolean | null = null,
): Check {
  const id = 'freshness'
  if (digestHex === null) return { id, ok: null, detail: 'the token was not unsealed' }
  if (nv === null)
    return { id, ok: null, detail: 'the freshness slots of the TPM (0x454d) could not be read' }
  const own = owners.find((owner) => owner.label === label)?.slot ?? null
  const found = findSlots(nv, digestHex)
  const sharers = findSlotSharers(label, owners)
  const shared =
    sharers.length === 0
      ? ''
      : `; ${sharers.join(', ')} uses the same slot: a seal there invalidates this device`
  if (found.length === 0) {
    const by = sharers.length === 0 ? '' : `, which ${sharers.join(', ')} uses too`
    const where = `no slot of the TPM holds this token (own slot: ${own ?? 'none'}${by})`
    const cause: Readonly<Record<'true' | 'false' | 'null', string>> = {
      true: 'its slot was overwritten',
      false: "the token is not the one of dom0's copy, so it is damaged or old",
      null: 'its slot was overwritten, or the token is damaged or old',
    }
    return { id, ok: false, detail: `${cause[`${isWhole}`]}: ${where}` }
  }
  const isOwn = own === null || found.includes(own)
  if (isOwn && !found.some((slot) => usable.includes(slot)))
    return { id, ok: false, detail: `slot ${found.join(', ')} holds this token, but ${UNREAD_SLOTS}` }
  if (own === null)
    return { id, ok: true, detail: `slot ${found.join(', ')} holds this token; dom0 has no slot file` }
  if (isOwn) return { id, ok: true, detail: `slot ${own} holds this token${shared}` }
  const others = owners
    .filter((owner) => owner.slot !== null && found.includes(owner.slot))
    .map((owner) => owner.label)
  const whose = others.length === 0 ? '' : ` (of ${others.join(', ')})`
  const detail = `the token lies in slot ${found.join(', ')}${whose}, not in its own, ${own}`
  // On TPM 1.2 AEM's initrd looks through all slots (anti-evil-maid 4.2.0, sbin/anti-evil-maid-lib-tpm1, checkfreshness).
  return found.some((slot) => usable.includes(slot))
    ? { id, ok: false, detail: `${detail}: a seal there takes it away`, stillUnseals: true }
    : { id, ok: false, detail }
}

/**
 * Of a token that was not unsealed: has another device taken its slot? The token of each seal is random, so that a slot
 * which holds the token of one device holds none of another.
 * @param taken slots that hold the token of another device, by its label
 */
export function checkTakenSlot(
  label: string,
  owners: readonly SlotOwner[],
  taken: ReadonlyMap<number, string>,
  usable: readonly number[],
): Check {
  const id = 'freshness'
  const own = owners.find((owner) => owner.label === label)?.slot ?? null
  const by = own === null ? undefined : taken.get(own)
  if (by === undefined || by === label) return { id, ok: null, detail: 'the token was not unsealed' }
  const cause =
    usable.length > 1 ? 'both use it' : "on TPM 2.0 AEM's initrd reads slot 0 alone, so all devices share it"
  return {
    id,
    ok: false,
    detail: `slot ${own}, its own, holds the token of ${by}: no secret appears at its next boot (${cause})`,
  }
}
