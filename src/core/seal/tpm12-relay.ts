/**
 * TPM 1.2 commands and answers as bytes: tag (2), size of all (4), ordinal or return code (4), then parameters.
 * TPM Main 1.2 part 3, revision 116, section 16.2 (TPM_PCRRead), part 2, section 17 (ordinals) and 6 (tags).
 */
export const HEADER_BYTES = 10
const TAG_RQU_COMMAND = 0x00c1
const TAG_RSP_COMMAND = 0x00c4
const ORD_PCR_READ = 0x00000015
const DIGEST_BYTES = 20
/** Larger than any TPM 1.2 message; a size field beyond it is damage. */
const MAX_MESSAGE_BYTES = 64 * 1024

/** The first whole message of a buffer and what follows it; null while it is not whole. @throws RangeError on damage */
export function splitMessage(bytes: Buffer): { message: Buffer; rest: Buffer } | null {
  if (bytes.length < HEADER_BYTES) return null
  const size = bytes.readUInt32BE(2)
  if (size < HEADER_BYTES || size > MAX_MESSAGE_BYTES) throw new RangeError(`a TPM message of ${size} bytes`)
  if (bytes.length < size) return null
  return { message: bytes.subarray(0, size), rest: bytes.subarray(size) }
}

/**
 * The answer to hand on: that of the TPM, but for a good answer to TPM_PCRRead of a register in `values`, whose digest is
 * replaced. Nothing else is ever changed.
 */
export function rewriteAnswer(
  request: Buffer,
  answer: Buffer,
  values: Readonly<Record<number, string>>,
): Buffer {
  const isPcrRead =
    request.length === HEADER_BYTES + 4 &&
    request.readUInt16BE(0) === TAG_RQU_COMMAND &&
    request.readUInt32BE(6) === ORD_PCR_READ
  if (!isPcrRead) return answer
  const isGood =
    answer.length === HEADER_BYTES + DIGEST_BYTES &&
    answer.readUInt16BE(0) === TAG_RSP_COMMAND &&
    answer.readUInt32BE(6) === 0
  const value = values[request.readUInt32BE(HEADER_BYTES)]
  if (!isGood || value === undefined) return answer
  return Buffer.concat([answer.subarray(0, HEADER_BYTES), Buffer.from(value, 'hex')])
}
