import { createHash } from 'node:crypto'
import { createGunzip } from 'node:zlib'
import { MAX_UNPACKED_BYTES } from '../core/launch/gzip-image.ts'
import { startBuildIdSearch } from '../core/xen/build-id.ts'
import type { FileDigests } from './host.ts'

const ELF_MAGIC = Buffer.from([0x7f, 0x45, 0x4c, 0x46])
/** Pieces of Node's own size, 16 KiB, cost more in calls than in unpacking. */
const UNPACK_CHUNK_BYTES = 256 * 1024

const GZIP_MAGIC = [0x1f, 0x8b] as const

/**
 * SHA-1 and SHA-256 of a stream, of its gunzipped form too where it is gzip, and the ELF build id inside.
 * @param maxUnpackedBytes what unpacks to more has no gunzipped form here
 */
export async function digestStream(
  chunks: AsyncIterable<Uint8Array>,
  maxUnpackedBytes = MAX_UNPACKED_BYTES,
): Promise<FileDigests> {
  const outer = startDigest()
  let gunzip: ReturnType<typeof startGunzip> | null = null
  let isFirst = true
  for await (const chunk of joinHead(chunks)) {
    if (isFirst && chunk[0] === GZIP_MAGIC[0] && chunk[1] === GZIP_MAGIC[1])
      gunzip = startGunzip(maxUnpackedBytes)
    isFirst = false
    outer.update(chunk)
    await gunzip?.write(chunk)
  }
  const whole = outer.end()
  const inner = (await gunzip?.end()) ?? null
  const buildId = whole.buildId ?? inner?.buildId ?? null
  return {
    sha1: whole.sha1,
    sha256: whole.sha256,
    sizeBytes: whole.sizeBytes,
    ...(gunzip ? { unpackedBytes: gunzip.countBytes() } : {}),
    ...(inner ? { gunzipped: { sha1: inner.sha1, sha256: inner.sha256 } } : {}),
    ...(buildId ? { buildId } : {}),
  }
}

/** The same bytes, with a first piece that is long enough to tell what they are. */
async function* joinHead(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let head: Uint8Array | null = new Uint8Array(0)
  for await (const chunk of chunks) {
    if (head === null) {
      yield chunk
      continue
    }
    head = head.length === 0 ? chunk : Buffer.concat([head, chunk])
    if (head.length < ELF_MAGIC.length) continue
    yield head
    head = null
  }
  if (head !== null && head.length > 0) yield head
}

function startDigest() {
  const sha1 = createHash('sha1')
  const sha256 = createHash('sha256')
  let sizeBytes = 0
  // Only an ELF image has a build id: an initramfs of 100 MB is not searched for one.
  let isElf = true
  const search = startBuildIdSearch()
  let head = Buffer.alloc(0)
  return {
    update(chunk: Uint8Array) {
      if (head.length < ELF_MAGIC.length) {
        head = Buffer.concat([head, chunk.subarray(0, ELF_MAGIC.length - head.length)])
        if (!ELF_MAGIC.subarray(0, head.length).equals(head)) isElf = false
      }
      sha1.update(chunk)
      sha256.update(chunk)
      sizeBytes += chunk.length
      if (isElf) search.update(chunk)
    },
    end() {
      const buildId = isElf ? search.end() : null
      return { sha1: sha1.digest('hex'), sha256: sha256.digest('hex'), sizeBytes, buildId }
    },
  }
}

function startGunzip(maxBytes: number) {
  const stream = createGunzip({ chunkSize: UNPACK_CHUNK_BYTES })
  const digest = startDigest()
  let isBroken = false
  let sizeBytes = 0
  const finished = new Promise<void>((resolve) => {
    // A damaged gzip file still has digests of its own bytes; only the inner ones are missing.
    const giveUp = (): void => {
      isBroken = true
      resolve()
    }
    stream.on('data', (piece: Buffer) => {
      sizeBytes += piece.length
      if (sizeBytes <= maxBytes) return digest.update(piece)
      stream.destroy()
      giveUp()
    })
    stream.on('end', resolve)
    stream.on('error', giveUp)
  })
  return {
    async write(chunk: Uint8Array) {
      if (isBroken) return
      await Promise.race([new Promise<void>((resolve) => stream.write(chunk, () => resolve())), finished])
    },
    countBytes: () => sizeBytes,
    async end() {
      if (!isBroken) stream.end()
      await finished
      return isBroken ? null : digest.end()
    },
  }
}
