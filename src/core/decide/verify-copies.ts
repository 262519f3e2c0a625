import { createHash } from 'node:crypto'

/** Every check of `verify`, in the order of its answer. */
export const CHECK_IDS = [
  'media-current',
  'selection',
  'policy',
  'unseal-txt',
  'unseal-key',
  'unseal-otp',
  'unseal-fre',
  'freshness',
  'pcr13',
] as const

export type CheckId = (typeof CHECK_IDS)[number]

/** null: could not be checked, which is never the same as true. */
export type Check = {
  readonly id: CheckId
  readonly ok: boolean | null
  readonly detail: string
  /** It is not as it must be, and its next boot shows the secret all the same. */
  readonly stillUnseals?: true
}

/** false if any check is false, else null if any is null, else true. */
export function combineChecks(checks: readonly Check[]): boolean | null {
  if (checks.some((check) => check.ok === false)) return false
  return checks.length > 0 && checks.every((check) => check.ok === true) ? true : null
}

type CopyFile = { readonly name: string; readonly sha256: string | null }

/** The device's own sealed files are byte for byte those of dom0. */
export function checkMediaCurrent(
  device: readonly CopyFile[] | null,
  dom0: readonly CopyFile[] | null,
): Check {
  const id = 'media-current'
  if (device === null) return { id, ok: null, detail: "the device's sealed files could not be read" }
  if (dom0 === null) return { id, ok: null, detail: "dom0's sealed files could not be read" }
  if (dom0.length === 0) return { id, ok: false, detail: 'dom0 has no sealed files for this device' }
  const differing = [...new Set([...device, ...dom0].map((file) => file.name))].filter((name) => {
    const [own, other] = [device, dom0].map((copy) => copy.find((file) => file.name === name))
    return own?.sha256 !== other?.sha256
  })
  const unread = [...device, ...dom0].some((file) => file.sha256 === null)
  if (unread) return { id, ok: null, detail: 'a sealed file could not be hashed' }
  return differing.length === 0
    ? { id, ok: true, detail: `${dom0.length} files equal dom0's` }
    : { id, ok: false, detail: `differs from dom0's copy: ${differing.join(', ')}` }
}

/** key.pcrs on the device names the PCRs of /etc/anti-evil-maid.conf. */
export function checkSelection(
  keyPcrs: { readonly bank: string; readonly pcrs: readonly number[] } | null,
  selected: readonly number[] | null,
): Check {
  const id = 'selection'
  if (keyPcrs === null) return { id, ok: null, detail: 'key.pcrs could not be read' }
  if (selected === null) return { id, ok: null, detail: 'SEAL of /etc/anti-evil-maid.conf could not be read' }
  const same = keyPcrs.pcrs.join() === [...selected].sort((a, b) => a - b).join() && keyPcrs.bank === 'sha256'
  const sealed = `${keyPcrs.bank}:${keyPcrs.pcrs.join(',')}`
  return {
    id,
    ok: same,
    detail: same ? `sealed to ${sealed}` : `sealed to ${sealed}, SEAL says ${selected.join(',')}`,
  }
}

/** TPM2_CC_PolicyPCR and TPM2_ALG_SHA256: TPM 2.0 Library 1.59, part 2, tables 12 and 9. */
const CC_POLICY_PCR = 0x0000017f
const ALG_SHA256 = 0x000b

/**
 * The SHA-256 policy digest of TPM2_PolicyPCR over one sha256 selection, from a fresh session:
 * H(zeros || CC_PolicyPCR || TPML_PCR_SELECTION || H(concatenated PCR values, ascending)).
 *
 * @param values lower-case hex of the selected registers
 * @returns hex, or null when a value is missing
 * @see TPM 2.0 Library 1.59, part 3, section 23.7
 */
export function computePolicyPcr(
  pcrs: readonly number[],
  values: Readonly<Record<number, string>>,
): string | null {
  const ascending = [...pcrs].sort((a, b) => a - b)
  const concatenated: Buffer[] = []
  const bitmap = Buffer.alloc(3)
  for (const index of ascending) {
    const value = values[index]
    if (value === undefined) return null
    concatenated.push(Buffer.from(value, 'hex'))
    bitmap[index >> 3] = (bitmap[index >> 3] ?? 0) | (1 << (index & 7))
  }
  const head = Buffer.alloc(4 + 4 + 2 + 1)
  head.writeUInt32BE(CC_POLICY_PCR, 0)
  head.writeUInt32BE(1, 4)
  head.writeUInt16BE(ALG_SHA256, 8)
  head.writeUInt8(bitmap.length, 10)
  const pcrDigest = createHash('sha256').update(Buffer.concat(concatenated)).digest()
  return createHash('sha256')
    .update(Buffer.concat([Buffer.alloc(32), head, bitmap, pcrDigest]))
    .digest('hex')
}
