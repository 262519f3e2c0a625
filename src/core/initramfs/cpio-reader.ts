import { createHash, type Hash } from 'node:crypto'
import { type CpioEntry, type CpioHeader, FILE_KIND, HEADER_BYTES, parseHeader } from './cpio-header.ts'

const END_NAME = 'TRAILER!!!'
const MAX_ENTRIES = 100_000
/** What unpacks to more is no initramfs; the largest seen has some 200 MB. */
const MAX_ARCHIVE_BYTES = 1024 * 1024 * 1024
/** Contents that are kept: the words of dracut, the version, targets of links. */
const MAX_KEPT_BYTES = 64 * 1024
/** GNU cpio pads what it writes to its block size (cpio(1), --io-size). */
const BLOCK_BYTES = 512

export type CpioReader = {
  /** @returns how many bytes were taken; fewer than given only behind the end of an archive that is read to its end alone */
  feed(chunk: Uint8Array): number
  /** To be called when no more bytes come. */
  end(): void
  /** `dead`: what is no archive was met, nothing more is read. */
  readonly state: () => 'open' | 'ended' | 'dead'
  readonly entries: readonly CpioEntry[]
}

type Options = {
  /** Its content is wanted. */
  readonly keeps: (name: string) => boolean
  /** Told what is not as cpio writes it for dracut. */
  readonly onOdd: (form: string) => void
  /** Take nothing behind the padding of the first archive. */
  readonly stopsAtEnd: boolean
  /** What unpacks to more is given up. */
  readonly maxBytes?: number
}

/**
 * Reads an archive in pieces of any size, in one pass. What the kernel reads and GNU cpio does not write is told as odd:
 * the kernel's parser (init/initramfs.c) takes much that others refuse.
 */
export function startCpioReader({
  keeps,
  onOdd,
  stopsAtEnd,
  maxBytes = MAX_ARCHIVE_BYTES,
}: Options): CpioReader {
  const entries: CpioEntry[] = []
  let phase: 'header' | 'name' | 'body' | 'padding' | 'end' | 'dead' = 'header'
  const pending: Uint8Array[] = []
  let [havePending, wanted] = [0, HEADER_BYTES]
  let current: CpioHeader | null = null
  let name = ''
  let hash: Hash = createHash('sha256')
  let [bodyLeft, total] = [0, 0]
  let kept: Uint8Array[] | null = null

  const die = (form: string): void => {
    onOdd(form)
    phase = 'dead'
  }
  const expect = (next: 'header' | 'name' | 'padding', bytes: number): void => {
    phase = next
    wanted = bytes
  }
  const beginHeader = (bytes: Uint8Array): void => {
    const header = parseHeader(bytes)
    if (typeof header === 'string') {
      die(header)
      return
    }
    if (header.checksum !== 0) onOdd('a checksum in a form that has none')
    current = header
    expect('name', header.nameBytes + paddingOf(HEADER_BYTES + header.nameBytes))
  }
  const beginBody = (bytes: Uint8Array): void => {
    const header = current!
    const zero = bytes.indexOf(0)
    if (bytes.subarray(header.nameBytes).some((byte) => byte !== 0)) onOdd('padding that is not zero')
    name = Buffer.from(bytes.subarray(0, Math.max(zero, 0))).toString('latin1')
    const isEnd = name === END_NAME
    if (zero !== header.nameBytes - 1) die('a name with a zero byte in it, or without one at its end')
    else if (isEnd && header.sizeBytes !== 0) die('an end mark that carries data')
    else if (isEnd) phase = 'end'
    else if (entries.length >= MAX_ENTRIES) die(`more than ${MAX_ENTRIES} entries`)
    else {
      hash = createHash('sha256')
      const isKept = (header.mode & FILE_KIND.mask) === FILE_KIND.link || keeps(name)
      kept = isKept && header.sizeBytes <= MAX_KEPT_BYTES ? [] : null
      bodyLeft = header.sizeBytes
      phase = 'body'
      if (bodyLeft === 0) endBody()
    }
  }
  const endBody = (): void => {
    const { nameBytes: _, checksum: __, ...entry } = current!
    entries.push({
      ...entry,
      name,
      sha256: hash.digest('hex'),
      content: kept === null ? null : Buffer.concat(kept),
    })
    kept = null
    const padding = paddingOf(entry.sizeBytes)
    expect(padding > 0 ? 'padding' : 'header', padding > 0 ? padding : HEADER_BYTES)
  }
  const takePiece = (bytes: Uint8Array): void => {
    if (phase === 'header') beginHeader(bytes)
    else if (phase === 'name') beginBody(bytes)
    else {
      if (bytes.some((byte) => byte !== 0)) onOdd('padding that is not zero')
      expect('header', HEADER_BYTES)
    }
  }
  /** Behind the end: zeros up to a whole block. @returns how many bytes were taken */
  const takeEnd = (bytes: Uint8Array): number => {
    const room = paddingOf(total, BLOCK_BYTES)
    const others = bytes.findIndex((byte) => byte !== 0)
    const zeros = Math.min(others === -1 ? bytes.length : others, room)
    if (zeros > 0 || stopsAtEnd) return zeros
    if (others === 0)
      die(bytes[0] === 0x30 ? 'a second archive in the packed one' : 'bytes behind the end of the archive')
    else die('zeros behind the end of the archive')
    return 0
  }
  const feedSome = (bytes: Uint8Array): number => {
    if (phase === 'end') return takeEnd(bytes)
    if (phase === 'body') {
      const part = bytes.subarray(0, Math.min(bodyLeft, bytes.length))
      hash.update(part)
      kept?.push(Uint8Array.from(part))
      bodyLeft -= part.length
      if (bodyLeft === 0) endBody()
      return part.length
    }
    const part = bytes.subarray(0, Math.min(wanted - havePending, bytes.length))
    havePending += part.length
    if (havePending < wanted) {
      pending.push(Uint8Array.from(part))
      return part.length
    }
    const whole = pending.length === 0 ? part : Buffer.concat([...pending, part])
    pending.length = 0
    havePending = 0
    takePiece(whole)
    return part.length
  }
  return {
    entries,
    state: () => (phase === 'dead' ? 'dead' : phase === 'end' ? 'ended' : 'open'),
    feed(chunk) {
      let at = 0
      while (at < chunk.length && phase !== 'dead') {
        const taken = feedSome(chunk.subarray(at))
        at += taken
        total += taken
        if (total > maxBytes) die('more unpacked bytes than any initramfs has')
        if (taken === 0) break
      }
      return at
    },
    end() {
      if (phase === 'dead') return
      if (phase !== 'end') die('an archive without its end mark')
      else if (total % BLOCK_BYTES !== 0) onOdd(`an archive that is not filled up to ${BLOCK_BYTES} bytes`)
    },
  }
}

function paddingOf(sizeBytes: number, unit = 4): number {
  return (unit - (sizeBytes % unit)) % unit
}
