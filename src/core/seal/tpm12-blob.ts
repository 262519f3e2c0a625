import { createHash } from 'node:crypto'

/**
 * The registers a TPM 1.2 blob of tpm_sealdata is bound to. They stand in clear in front of the encrypted part.
 */
export type Tpm12Binding = {
  readonly pcrs: readonly number[]
  /** SHA-1 over the selection and the values: TPM_COMPOSITE_HASH, hex. */
  readonly digestAtRelease: string
}

/** TPM Main 1.2 part 2, revision 116, sections 10.1 (TPM_STORED_DATA), 10.2 (TPM_STORED_DATA12), 3.1 (tags). */
const TAG_STORED_DATA12 = 0x0016
const VERSION_STORED_DATA = 0x01010000
/** Section 8.3 (TPM_PCR_INFO_LONG): tag 0x0006, two localities of one byte each. */
const INFO_LONG_HEAD = 4
const DIGEST_BYTES = 20

/**
 * Reads secret.*.sealed2 of TPM 1.2.
 *
 * Sample (tpm-tools 1.3.9.2), base64 lines shortened:
 *
 *     -----BEGIN TSS-----
 *     -----TSS KEY-----
 *     AQEAAAARAAAABAEAAAAB...
 *     -----ENC KEY-----
 *     Symmetric Key: AES-256-CBC
 *     ABYAAAAAADYABgEfAAMAAAAAAwAgDgAA...
 *     -----ENC DAT-----
 *     juv4JNwmOGla9VEiAOo/P1aeTGwsY/Qq...
 *     -----END TSS-----
 *
 * @returns null when it is of another form, or not bound to registers
 */
export function parseTpm12Blob(text: string): Tpm12Binding | null {
  const inner = /-----ENC KEY-----\nSymmetric Key: [^\n]*\n([A-Za-z0-9+/=\n]+)-----ENC DAT-----/.exec(
    text,
  )?.[1]
  if (inner === undefined) return null
  const data = Buffer.from(inner.replaceAll('\n', ''), 'base64')
  if (data.length < 8) return null
  const isLong = data.readUInt16BE(0) === TAG_STORED_DATA12
  if (!isLong && data.readUInt32BE(0) !== VERSION_STORED_DATA) return null
  const info = data.subarray(8, 8 + data.readUInt32BE(4))
  return isLong ? readInfoLong(info) : readInfo(info)
}

/** TPM_PCR_INFO_LONG: head, creation selection, release selection, digest at creation, digest at release. */
function readInfoLong(info: Buffer): Tpm12Binding | null {
  const creation = readSelection(info, INFO_LONG_HEAD)
  const release = creation && readSelection(info, creation.end)
  if (!release || info.length !== release.end + 2 * DIGEST_BYTES) return null
  return { pcrs: release.pcrs, digestAtRelease: info.subarray(release.end + DIGEST_BYTES).toString('hex') }
}

/** TPM_PCR_INFO, section 8.2: selection, digest at release, digest at creation. */
function readInfo(info: Buffer): Tpm12Binding | null {
  const selection = readSelection(info, 0)
  if (!selection || info.length !== selection.end + 2 * DIGEST_BYTES) return null
  const digest = info.subarray(selection.end, selection.end + DIGEST_BYTES)
  return { pcrs: selection.pcrs, digestAtRelease: digest.toString('hex') }
}

/** TPM_PCR_SELECTION, section 8.1: size of the bitmap, then bit n of byte m is register 8m + n. */
function readSelection(bytes: Buffer, at: number): { pcrs: number[]; end: number } | null {
  if (bytes.length < at + 2) return null
  const size = bytes.readUInt16BE(at)
  if (size > 3 || bytes.length < at + 2 + size) return null
  const bitmap = bytes.subarray(at + 2, at + 2 + size)
  const pcrs = Array.from({ length: size * 8 }, (_, n) => n).filter(
    (n) => ((bitmap[n >> 3] ?? 0) >> (n & 7)) & 1,
  )
  return { pcrs, end: at + 2 + size }
}

/**
 * TPM_COMPOSITE_HASH: SHA-1 of TPM_PCR_COMPOSITE (selection, size of the values, values in ascending order).
 * @param values lower-case hex, SHA-1 size
 * @returns hex, or null when a value is missing
 * @see TPM Main 1.2 part 2, revision 116, sections 8.1 and 8.7
 */
export function computeTpm12Composite(
  pcrs: readonly number[],
  values: Readonly<Record<number, string>>,
): string | null {
  const ascending = [...pcrs].sort((a, b) => a - b)
  const head = Buffer.alloc(2 + 3 + 4)
  head.writeUInt16BE(3, 0)
  const parts: Buffer[] = [head]
  for (const index of ascending) {
    const value = values[index]
    if (value === undefined) return null
    const byte = 2 + (index >> 3)
    head[byte] = (head[byte] ?? 0) | (1 << (index & 7))
    parts.push(Buffer.from(value, 'hex'))
  }
  head.writeUInt32BE(ascending.length * DIGEST_BYTES, 5)
  return createHash('sha1').update(Buffer.concat(parts)).digest('hex')
}

/** Why a tpm-tools program said no. */
export type Tpm12Refusal =
  | 'pcrs'
  | 'bad-password'
  | 'lockout'
  | 'no-tcsd'
  | 'no-srk'
  | 'bad-object'
  | 'unknown'

/**
 * The exit code of tpm_unsealdata and tpm_sealdata: the last byte of the TSS result (tpm-tools 1.3.9.2; each seen with
 * swtpm 0.7.1). TPM Main 1.2 part 2, section 16: 1 authentication failed, 0x12 no SRK, 0x13 no sealed blob, 0x18 wrong
 * PCR value, 0x21 decryption error; 0x803 defending against dictionary attacks; TSS 0x3011 no tcsd.
 */
export function classifyTpm12Exit(exit: number): Tpm12Refusal {
  const causes: Readonly<Record<number, Tpm12Refusal>> = {
    1: 'bad-password',
    3: 'lockout',
    17: 'no-tcsd',
    18: 'no-srk',
    19: 'bad-object',
    24: 'pcrs',
    33: 'bad-object',
    254: 'bad-object',
  }
  return causes[exit] ?? 'unknown'
}
