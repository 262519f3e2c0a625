import type { Failure } from '../failure.ts'
import { coreFailure } from '../failures.ts'

/** A place in a byte string; reading past its end is a Failure, never a guess. */
export type ByteReader = { readonly bytes: Uint8Array; offset: number; readonly what: string }

export function truncated(what: string, detail: string): Failure {
  return coreFailure('log-truncated', { what, detail })
}

export function isAvailable(reader: ByteReader, sizeBytes: number): boolean {
  return sizeBytes >= 0 && sizeBytes <= reader.bytes.length - reader.offset
}

/** @throws Failure `log-truncated` */
export function takeBytes(reader: ByteReader, sizeBytes: number, field: string): Uint8Array {
  if (!isAvailable(reader, sizeBytes))
    throw truncated(reader.what, `${field} needs ${sizeBytes} bytes at offset ${reader.offset}`)
  const taken = reader.bytes.subarray(reader.offset, reader.offset + sizeBytes)
  reader.offset += sizeBytes
  return taken
}

/** Little-endian, as all event logs are. @throws Failure `log-truncated` */
export function takeUint(reader: ByteReader, sizeBytes: 1 | 2 | 4, field: string): number {
  const taken = takeBytes(reader, sizeBytes, field)
  return Buffer.from(taken.buffer, taken.byteOffset, taken.length).readUIntLE(0, sizeBytes)
}

export function toHex(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('hex')
}

/** Printable ASCII of event data, up to 80 characters and the first NUL; null when it is not text. */
export function toText(bytes: Uint8Array): string | null {
  const end = bytes.indexOf(0)
  const text = Buffer.from(bytes.subarray(0, end === -1 ? bytes.length : end)).toString('latin1')
  return text.length > 0 && /^[\x20-\x7e]+$/.test(text) ? text.slice(0, 80) : null
}

export function isZero(bytes: Uint8Array): boolean {
  return bytes.every((byte) => byte === 0)
}
