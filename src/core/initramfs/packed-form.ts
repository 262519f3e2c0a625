import { describeTrailing, type Packing } from './packing.ts'

/** Watches packed bytes go by, and says whether they are one frame and nothing behind it. */
export type FormWatcher = {
  feed(chunk: Uint8Array): void
  /** To be asked when no more bytes come; null: one whole frame. */
  problem(): string | null
}

/** For packings whose program unpacks several frames in a row and says nothing. */
export function watchForm(packing: Exclude<Packing, 'gzip' | 'none'>): FormWatcher {
  if (packing === 'xz') return watchXz()
  return watchBlocks(packing === 'zstd' ? zstdBlocks() : lz4Blocks())
}

/** So much behind the frame is looked at. */
const TRAILING_BYTES = 1024

/** What comes next in a frame: so many bytes to skip, then so many to look at; null: the frame ends here. */
type Reading = { readonly skip: number; readonly look: number } | null | { readonly problem: string }
/** A walk from block to block: is given what it asked to look at. */
type Walk = Generator<Reading & object, void, Uint8Array>

/** Walks over block headers without unpacking anything. `isOpenEnded`: the end of the file is the end of the frame. */
function watchBlocks({ walk, isOpenEnded }: { walk: Walk; isOpenEnded: boolean }): FormWatcher {
  let [skip, look] = [0, 0]
  let [looked, isOver, problem] = [Buffer.alloc(0), false, null as string | null]
  let trailing = Buffer.alloc(0)
  const advance = (bytes: Uint8Array): void => {
    const next = walk.next(bytes)
    if (next.done) isOver = true
    else if ('problem' in next.value) problem = next.value.problem
    else [skip, look] = [next.value.skip, next.value.look]
  }
  advance(new Uint8Array(0))
  return {
    feed(chunk) {
      let rest = chunk
      while (rest.length > 0 && problem === null && !isOver) {
        const skipped = Math.min(skip, rest.length)
        skip -= skipped
        rest = rest.subarray(skipped)
        if (skip > 0) return
        const part = rest.subarray(0, look - looked.length)
        looked = Buffer.concat([looked, part])
        rest = rest.subarray(part.length)
        if (looked.length < look) return
        const whole = looked
        looked = Buffer.alloc(0)
        advance(whole)
      }
      if (isOver && trailing.length < TRAILING_BYTES)
        trailing = Buffer.concat([trailing, rest.subarray(0, TRAILING_BYTES)])
    },
    problem() {
      if (problem !== null) return problem
      if (isOver) return trailing.length > 0 ? describeTrailing(trailing) : null
      if (isOpenEnded && skip === 0 && looked.length === 0) return null
      return 'packed data that are cut short'
    },
  }
}

/** RFC 8878, sections 3.1.1.1 (frame header) and 3.1.1.2 (blocks). */
function zstdBlocks(): { walk: Walk; isOpenEnded: boolean } {
  function* walk(): Walk {
    const [descriptor = 0] = (yield { skip: 4, look: 1 }) as Uint8Array
    const isSingleSegment = (descriptor & 0x20) !== 0
    const sizeField = [isSingleSegment ? 1 : 0, 2, 4, 8][descriptor >> 6] ?? 0
    const dictionaryField = [0, 1, 2, 4][descriptor & 3] ?? 0
    let skip = (isSingleSegment ? 0 : 1) + dictionaryField + sizeField
    for (;;) {
      const [a = 0, b = 0, c = 0] = (yield { skip, look: 3 }) as Uint8Array
      const header = a | (b << 8) | (c << 16)
      const kind = (header >> 1) & 3
      if (kind === 3) {
        yield { problem: 'a zstd block of no known kind' }
        return
      }
      skip = kind === 1 ? 1 : header >> 3
      if ((header & 1) !== 0) break
    }
    const checksum = (descriptor & 4) !== 0 ? 4 : 0
    // Something has to be looked at for the walk to go on: the last byte of what is skipped.
    const rest = skip + checksum
    if (rest > 0) yield { skip: rest - 1, look: 1 }
  }
  return { walk: walk(), isOpenEnded: false }
}

/** lz4 r131, lib/lz4.h, LZ4_COMPRESSBOUND of the 8 MiB of a legacy block (lz4_Frame_format.md, "Legacy frame"). */
const LZ4_BLOCK_BYTES = 8 * 1024 * 1024
const LZ4_BOUND_BYTES = LZ4_BLOCK_BYTES + Math.floor(LZ4_BLOCK_BYTES / 255) + 16

/** The legacy frame: magic, then blocks of a size each, up to the end of the file; no program but -l writes it. */
function lz4Blocks(): { walk: Walk; isOpenEnded: boolean } {
  function* walk(): Walk {
    let skip = 4
    for (;;) {
      const bytes = Buffer.from((yield { skip, look: 4 }) as Uint8Array)
      skip = bytes.readUInt32LE(0)
      if (skip > 0 && skip <= LZ4_BOUND_BYTES) continue
      yield { problem: describeTrailing(bytes) }
      return
    }
  }
  return { walk: walk(), isOpenEnded: true }
}

/** The .xz File Format 1.1.0, sections 2.1 (header and footer) and 4 (index). */
const XZ_HEADER_BYTES = 12
const XZ_INDEX_BYTES = 1024 * 1024

/**
 * Where an xz stream ends is known from its end alone: the index, which xz compares with the blocks, lists their sizes, so that
 * two streams in a row never add up.
 */
function watchXz(): FormWatcher {
  const recent: Uint8Array[] = []
  let [recentBytes, total] = [0, 0]
  return {
    feed(chunk) {
      recent.push(chunk)
      recentBytes += chunk.length
      total += chunk.length
      while (recentBytes - recent[0]!.length > XZ_INDEX_BYTES) recentBytes -= recent.shift()!.length
    },
    problem() {
      const tail = Buffer.concat(recent)
      const footer = tail.subarray(-XZ_HEADER_BYTES)
      const other = 'an xz stream that is cut short, or bytes behind it'
      if (footer.length < XZ_HEADER_BYTES || footer.toString('latin1', 10) !== 'YZ') return other
      const indexBytes = (footer.readUInt32LE(4) + 1) * 4
      const index = tail.subarray(-XZ_HEADER_BYTES - indexBytes, -XZ_HEADER_BYTES)
      if (index.length < indexBytes) return other
      const blocks = sumIndex(index)
      if (blocks === null || XZ_HEADER_BYTES + blocks + indexBytes + XZ_HEADER_BYTES !== total)
        return 'several xz streams, or bytes between them'
      return null
    },
  }
}

/** Bytes of all blocks with their padding, from an index; null where it has no known form. */
function sumIndex(index: Uint8Array): number | null {
  let at = 0
  const readNumber = (): number | null => {
    // Section 1.2: seven bits a byte, the lowest first; 8 bytes reach any size that is read here.
    let value = 0
    for (let shift = 0; shift < 49; shift += 7) {
      const byte = index[at++]
      if (byte === undefined) return null
      value += (byte & 0x7f) * 2 ** shift
      if ((byte & 0x80) === 0) return value
    }
    return null
  }
  if (index[at++] !== 0) return null
  const records = readNumber()
  if (records === null || records > index.length) return null
  let sum = 0
  for (let record = 0; record < records; record++) {
    const [unpadded, unpacked] = [readNumber(), readNumber()]
    if (unpadded === null || unpacked === null) return null
    sum += Math.ceil(unpadded / 4) * 4
  }
  return sum
}
