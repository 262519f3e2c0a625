const NOTE_NAME = Buffer.from('GNU\0', 'latin1')
/** NT_GNU_BUILD_ID, include/elf.h. */
const NT_GNU_BUILD_ID = 3
/** Lengths that linkers write: md5/uuid 16, sha1 20, sha256 32 (ld(1) --build-id). */
const LENGTHS = [16, 20, 32]

/** namesz, descsz, type (4 bytes each, little-endian), which stand before the name. */
const HEADER_BYTES = 12
/** The longest note, less one byte: a note that began before a piece begins within this many bytes before it. */
const OVERLAP_BYTES = HEADER_BYTES + NOTE_NAME.length + Math.max(...LENGTHS) - 1

/**
 * The GNU build id of an ELF image, searched by its note header, as Xen's multiboot image has no section table
 * that can be trusted.
 * @param image the whole decompressed image
 * @returns lower-case hex, or null when there is none or more than one different one
 */
export function findBuildId(image: Uint8Array): string | null {
  const search = startBuildIdSearch()
  search.update(image)
  return search.end()
}

/**
 * The same of an image that comes in pieces, in their order.
 * @see Tool Interface Standard ELF 1.2, note section
 */
export function startBuildIdSearch() {
  const found = new Set<string>()
  let tail = Buffer.alloc(0)
  return {
    update(piece: Uint8Array): void {
      const bytes = Buffer.from(piece.buffer, piece.byteOffset, piece.byteLength)
      listNotes(Buffer.concat([tail, bytes.subarray(0, OVERLAP_BYTES)]), found)
      listNotes(bytes, found)
      tail = Buffer.concat([tail, bytes.subarray(-OVERLAP_BYTES)]).subarray(-OVERLAP_BYTES)
    },
    end: (): string | null => (found.size === 1 ? ([...found][0] ?? null) : null),
  }
}

/** @param found build ids of the notes that lie in these bytes as a whole; added to */
function listNotes(bytes: Buffer, found: Set<string>): void {
  let at = bytes.indexOf(NOTE_NAME, HEADER_BYTES)
  while (at !== -1) {
    const length = bytes.readUInt32LE(at - 8)
    const isNote =
      bytes.readUInt32LE(at - 12) === NOTE_NAME.length && bytes.readUInt32LE(at - 4) === NT_GNU_BUILD_ID
    if (isNote && LENGTHS.includes(length) && at + 4 + length <= bytes.length) {
      found.add(bytes.toString('hex', at + 4, at + 4 + length))
    }
    at = bytes.indexOf(NOTE_NAME, at + 1)
  }
}
