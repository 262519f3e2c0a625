import { crc32, createInflateRaw } from 'node:zlib'
import { describeTrailing } from './packing.ts'

/** RFC 1952, section 2.3. */
const HEADER_BYTES = 10
const TRAILER_BYTES = 8
const METHOD_DEFLATE = 8
const FLAGS: readonly (readonly [number, string])[] = [
  [0x04, 'an extra field'],
  [0x08, 'a name'],
  [0x10, 'a comment'],
  [0x02, 'a checksum of its own'],
]
const OUTPUT_CHUNK_BYTES = 128 * 1024
/** So much behind the deflate data is looked at. */
const TRAILING_BYTES = 4096
/** More than inflate holds back of what it was given (its writableHighWaterMark). */
const LATE_BYTES = 256 * 1024

/**
 * Unpacks the one member that an initramfs has. The kernel knows of the header's flags the name alone (lib/decompress_inflate.c),
 * and would unpack an extra field as data; gzip and pigz as dracut calls them (-n) set none.
 * @param packed the member and all that follows; read to its end
 * @param onOdd told what is not as gzip writes it for dracut
 * @throws what the input throws
 */
export async function* unpackGzip(
  packed: AsyncIterable<Uint8Array>,
  onOdd: (form: string) => void,
): AsyncGenerator<Uint8Array> {
  const input = packed[Symbol.asyncIterator]()
  let head = Buffer.alloc(0)
  while (head.length < HEADER_BYTES) {
    const next = await input.next()
    if (next.done) {
      onOdd('a gzip header that is cut short')
      return
    }
    head = Buffer.concat([head, next.value])
  }
  const flags = head[3]!
  const named = FLAGS.filter(([flag]) => flags & flag).map(([, name]) => name)
  if (head[2] !== METHOD_DEFLATE || flags !== 0) {
    onOdd(`a gzip header with ${named.join(' and ') || `flags ${flags}`}`)
    await drain(input)
    return
  }
  const inflate = createInflateRaw({ chunkSize: OUTPUT_CHUNK_BYTES })
  const fed = feed(inflate, head.subarray(HEADER_BYTES), input).catch((error: Error) => {
    // The reader waits for what will never come.
    inflate.destroy(error)
    throw error
  })
  // Whoever reads no more looks at it below; until then it is nobody's.
  fed.catch(() => undefined)
  let [checksum, sizeBytes] = [0, 0]
  try {
    for await (const piece of inflate as AsyncIterable<Buffer>) {
      checksum = crc32(piece, checksum)
      sizeBytes += piece.length
      yield piece
    }
  } catch (error) {
    if (!((error as NodeJS.ErrnoException).code ?? '').startsWith('Z_')) throw error
    onOdd('gzip data that are damaged or cut short')
    return
  } finally {
    // Also where nobody wants more of it: the input has one reader at a time.
    inflate.destroy()
    await fed
  }
  const { behind } = await fed
  const tail = behind(inflate.bytesWritten)
  if (tail.length < TRAILER_BYTES) onOdd('gzip data that are cut short')
  else if (tail.readUInt32LE(0) !== checksum || tail.readUInt32LE(4) !== sizeBytes % 2 ** 32)
    onOdd('gzip data with a wrong checksum')
  else if (tail.length > TRAILER_BYTES) onOdd(describeTrailing(tail.subarray(TRAILER_BYTES)))
}

async function drain(input: AsyncIterator<Uint8Array>): Promise<void> {
  while (!(await input.next()).done);
}

/** Hands the input over with back-pressure. @returns what lies behind a number of bytes of it, its first KiB */
async function feed(
  inflate: ReturnType<typeof createInflateRaw>,
  first: Uint8Array,
  input: AsyncIterator<Uint8Array>,
): Promise<{ behind(sizeBytes: number): Buffer }> {
  let isDone = false
  const done = new Promise<void>((resolve) => {
    const finish = (): void => {
      isDone = true
      resolve()
    }
    inflate.once('end', finish).once('close', finish).once('error', finish)
  })
  // Where the data end is known only when they have ended, some chunks too late.
  const recent: Uint8Array[] = []
  let [recentBytes, given] = [0, 0]
  let next: IteratorResult<Uint8Array> = { done: false, value: first }
  for (; !next.done; next = await input.next()) {
    const chunk = next.value
    if (isDone && given - inflate.bytesWritten > TRAILING_BYTES) continue
    recent.push(chunk)
    recentBytes += chunk.length
    given += chunk.length
    while (!isDone && recentBytes - recent[0]!.length > LATE_BYTES) recentBytes -= recent.shift()!.length
    if (isDone || inflate.destroyed) continue
    if (!inflate.write(chunk))
      await Promise.race([new Promise((resolve) => inflate.once('drain', resolve)), done])
  }
  if (!inflate.destroyed && !inflate.writableEnded) inflate.end()
  return { behind: (sizeBytes) => Buffer.concat(recent).subarray(sizeBytes - (given - recentBytes)) }
}
