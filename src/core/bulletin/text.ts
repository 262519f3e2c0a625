import type { Failure } from '../failure.ts'
import { type BulletinFault, coreFailure } from '../failures.ts'

/** The longest bulletin so far has 17,331 bytes and 170 columns: both limits leave room, neither lets a hostile file cost time. */
const MAX_SIZE_BYTES = 1_048_576
const MAX_LINE_CHARACTERS = 4_096

/**
 * The error for a file that cannot be read as a bulletin.
 * @param line 1-based line number, or null where the whole file is meant.
 */
export const bulletinFailure = (fault: BulletinFault, line: number | null, reason: string): Failure =>
  coreFailure(`bulletin-${fault}`, { reason, ...(line === null ? {} : { line: String(line) }) })

const lineOfIndex = (text: string, index: number): number => {
  let line = 1
  for (let at = text.indexOf('\n'); at !== -1 && at < index; at = text.indexOf('\n', at + 1)) line += 1
  return line
}

const UTF_8 = new TextDecoder('utf-8', { fatal: true })

/** null where the bytes are not valid UTF-8; a byte order mark is dropped. */
const decode = (bytes: Uint8Array): string | null => {
  try {
    return UTF_8.decode(bytes)
  } catch {
    return null
  }
}

/** A line feed never is part of another UTF-8 character, so each line can be tried alone. */
const lineOfInvalidUtf8 = (bytes: Uint8Array): number => {
  let line = 1
  for (let start = 0; start <= bytes.length; line += 1) {
    const end = bytes.indexOf(0x0a, start)
    const stop = end === -1 ? bytes.length : end
    if (decode(bytes.subarray(start, stop)) === null) return line
    start = stop + 1
  }
  return line
}

/**
 * Control characters other than tab and line feed, and those that reorder text on a terminal
 * (Unicode TR9: marks, embeddings, overrides, isolates): no bulletin holds one, and what is shown
 * to the user must be what was signed.
 */
const FORBIDDEN =
  /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]/

const describeCharacter = (character: string): string =>
  `U+${character.codePointAt(0)!.toString(16).toUpperCase().padStart(4, '0')}`

/**
 * The lines of a bulletin file, without trailing white space.
 * @param bytes The file; UTF-8 with LF or CRLF, an UTF-8 byte order mark is dropped.
 * @throws Failure bulletin-too-large, bulletin-encoding, bulletin-control-character, bulletin-line-too-long.
 */
export const parseBulletinLines = (bytes: Uint8Array): string[] => {
  if (bytes.length > MAX_SIZE_BYTES) {
    throw bulletinFailure('too-large', null, `it has ${bytes.length} bytes, more than ${MAX_SIZE_BYTES}`)
  }
  const decoded = decode(bytes)
  if (decoded === null) {
    throw bulletinFailure('encoding', lineOfInvalidUtf8(bytes), 'the bytes are not valid UTF-8')
  }
  const text = decoded.replaceAll('\r\n', '\n')
  const forbidden = FORBIDDEN.exec(text)
  if (forbidden) {
    const reason = `it holds the control character ${describeCharacter(forbidden[0])}`
    throw bulletinFailure('control-character', lineOfIndex(text, forbidden.index), reason)
  }
  const lines = text.split('\n')
  const long = lines.findIndex((line) => line.length > MAX_LINE_CHARACTERS)
  if (long !== -1) {
    const reason = `the line has ${lines[long]!.length} characters, more than ${MAX_LINE_CHARACTERS}`
    throw bulletinFailure('line-too-long', long + 1, reason)
  }
  return lines.map((line) => line.trimEnd())
}
