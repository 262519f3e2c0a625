import { crc32, createInflateRaw } from 'node:zlib'

/** RFC 1952, section 2.3.1; the flags GRUB refuses: GRUB 2.06, grub-core/io/gzio.c. */
const FLAG = { crc: 0x02, extra: 0x04, name: 0x08, comment: 0x10, unsupported: 0xe2 } as const
const FIXED_HEADER_BYTES = 10
const DEFLATE = 8
/** Checksum and length that end a member; GRUB reads them at the end of the file. */
const TRAILER_BYTES = 8
const OUTPUT_CHUNK_BYTES = 256 * 1024
/**
 * A gzip file of a megabyte can unpack to a thousand, and a stick can carry one that keeps a processor busy for days. The
 * largest real image, an initramfs, unpacks to some hundred MB.
 */
export const MAX_UNPACKED_BYTES = 1024 * 1024 * 1024

/**
 * Where the compressed data begin, by GRUB's reading of a gzip header.
 * @returns the offset; `stored` when GRUB takes the file as it is; null when more bytes are needed
 */
export function findDeflateStart(head: Uint8Array): number | 'stored' | null {
  if (head.length < FIXED_HEADER_BYTES) return null
  const flags = head[3]!
  if (head[2] !== DEFLATE || (flags & FLAG.unsupported) !== 0) return 'stored'
  let at = FIXED_HEADER_BYTES
  if (flags & FLAG.extra) {
    if (head.length < at + 2) return null
    at += 2 + head[at]! + 256 * head[at + 1]!
  }
  for (const flag of [FLAG.name, FLAG.comment]) {
    if ((flags & flag) === 0) continue
    const end = head.indexOf(0, at)
    if (end === -1) return null
    at = end + 1
  }
  return at <= head.length ? at : null
}

/** The end of a decompression: null when GRUB gets the same bytes, else why it does not. */
export type InflateOutcome = { readonly loadedSizeBytes: number; readonly problem: string | null }

/**
 * Decompresses as GRUB does: one member, whose length and checksum are the file's last eight bytes. Further members
 * or trailing bytes make GRUB stop or load something else, so they are a problem and not a result.
 * @param chunks the deflate data and all that follows
 * @param take is given the decompressed bytes in order
 * @param maxBytes what unpacks to more is a problem, and is not unpacked further
 */
export async function inflateLikeGrub(
  chunks: AsyncIterable<Uint8Array>,
  take: (bytes: Uint8Array) => void,
  maxBytes = MAX_UNPACKED_BYTES,
): Promise<InflateOutcome> {
  const inflate = createInflateRaw({ chunkSize: OUTPUT_CHUNK_BYTES })
  const tail = newTail()
  let checksum = 0
  let loadedSizeBytes = 0
  const feeding = feed(inflate, chunks, tail).then(
    () => null,
    (error: Error) => {
      inflate.destroy(error)
      return error
    },
  )
  try {
    for await (const piece of inflate as AsyncIterable<Buffer>) {
      checksum = crc32(piece, checksum)
      loadedSizeBytes += piece.length
      if (loadedSizeBytes > maxBytes) break
      take(piece)
    }
  } catch (error) {
    inflate.destroy()
    const readError = await feeding
    if (readError !== null) throw readError
    const code = (error as NodeJS.ErrnoException).code ?? ''
    if (!code.startsWith('Z_')) throw error
    return { loadedSizeBytes, problem: 'its gzip data are damaged, GRUB would not load it' }
  }
  await feeding
  if (loadedSizeBytes > maxBytes)
    return { loadedSizeBytes, problem: `it unpacks to more than ${maxBytes} bytes, as no boot file does` }
  return { loadedSizeBytes, problem: checkTrailer(tail, checksum, loadedSizeBytes) }
}

/** Hands the input over with back-pressure. Input behind the end of the deflate data only goes to the tail. */
async function feed(
  inflate: ReturnType<typeof createInflateRaw>,
  chunks: AsyncIterable<Uint8Array>,
  tail: Tail,
): Promise<void> {
  let isDone = false
  const done = new Promise<void>((resolve) => {
    const finish = () => {
      isDone = true
      resolve()
    }
    inflate.once('end', finish).once('close', finish).once('error', finish)
  })
  for await (const chunk of chunks) {
    keepTail(tail, chunk)
    if (isDone || inflate.destroyed) continue
    if (!inflate.write(chunk))
      await Promise.race([new Promise((resolve) => inflate.once('drain', resolve)), done])
  }
  if (!inflate.destroyed && !inflate.writableEnded) inflate.end()
}

type Tail = { bytes: Buffer }

function newTail(): Tail {
  return { bytes: Buffer.alloc(0) }
}

function keepTail(tail: Tail, chunk: Uint8Array): void {
  const both =
    chunk.length >= TRAILER_BYTES
      ? Buffer.from(chunk.subarray(-TRAILER_BYTES))
      : Buffer.concat([tail.bytes, chunk])
  tail.bytes = both.subarray(-TRAILER_BYTES)
}

function checkTrailer(tail: Tail, checksum: number, length: number): string | null {
  if (tail.bytes.length < TRAILER_BYTES) return 'its gzip data end too early, GRUB would not load it'
  if (tail.bytes.readUInt32LE(0) === checksum && tail.bytes.readUInt32LE(4) === length % 2 ** 32) return null
  return 'it has several gzip members, bytes after the last one, or a wrong checksum, and GRUB reads only the first member'
}
