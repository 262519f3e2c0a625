/** What the first bytes of a file say. `acm` is an Intel authenticated code module (SINIT), `policy-data` a launch policy. */
export type ImageKind = 'raw' | 'gzip' | 'xz' | 'lzop' | 'acm' | 'policy-data'

/** Enough for every signature below. */
export const HEAD_BYTES = 32

const MAGICS: readonly { readonly kind: ImageKind; readonly bytes: readonly number[] }[] = [
  // RFC 1952; GRUB 2.06, grub-core/io/gzio.c also takes the magic of the older gzip.
  { kind: 'gzip', bytes: [0x1f, 0x8b] },
  { kind: 'gzip', bytes: [0x1f, 0x9e] },
  { kind: 'xz', bytes: [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00] },
  { kind: 'lzop', bytes: [0x89, 0x4c, 0x5a, 0x4f, 0x00, 0x0d, 0x0a, 0x1a, 0x0a] },
]

/** LCP_POLICY_DATA file signature: Intel TXT Software Development Guide, revision 017, appendix D. */
const POLICY_DATA_SIGNATURE = 'Intel(R) TXT LCP_POLICY_DATA'
/** ACM header: module type 2 (chipset) at 0, vendor 0x8086 at 16, size in 4-byte words at 24: same guide, appendix A. */
const ACM = { type: 2, vendor: 0x8086, vendorOffset: 16, sizeOffset: 24 } as const

/**
 * @param head the first bytes, at least HEAD_BYTES of them where the file has that many
 * @param sizeBytes the whole file, which an ACM header must name
 */
export function detectImageKind(head: Uint8Array, sizeBytes: number | null): ImageKind {
  const found = MAGICS.find((magic) => magic.bytes.every((byte, index) => head[index] === byte))
  if (found) return found.kind
  const view = Buffer.from(head.buffer, head.byteOffset, head.length)
  if (view.toString('latin1').startsWith(POLICY_DATA_SIGNATURE)) return 'policy-data'
  const isAcm =
    view.length >= HEAD_BYTES - 4 &&
    view.readUInt16LE(0) === ACM.type &&
    view.readUInt32LE(ACM.vendorOffset) === ACM.vendor &&
    (sizeBytes === null || view.readUInt32LE(ACM.sizeOffset) * 4 === sizeBytes)
  return isAcm ? 'acm' : 'raw'
}
