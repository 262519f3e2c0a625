const NOTE_NAME = Buffer.from('GNU\0', 'latin1')
/** NT_GNU_BUILD_ID, include/elf.h. */
const NT_GNU_BUILD_ID = 3
/** Lengths that linkers write: md5/uuid 16, sha1 20, sha256 32 (ld(1) --build-id). */
const LENGTHS = [16, 20, 32]

/**
 * The GNU build id of an ELF image, searched by its note header, as Xen's multiboot image has no section table
 * that can be trusted.
 *
 * @param image the whole decompressed image
 * @returns lower-case hex, or null when there is none or more than one different one
 * @see Tool Interface Standard ELF 1.2, note section: namesz, descsz, type (4 bytes each, little-endian)
 */
export function findBuildId(image: Uint8Array): string | null {
  const bytes = Buffer.from(image.buffer, image.byteOffset, image.byteLength)
  const found = new Set<string>()
  let at = bytes.indexOf(NOTE_NAME, 12)
  while (at !== -1) {
    const length = bytes.readUInt32LE(at - 8)
    const isNote = bytes.readUInt32LE(at - 12) === 4 && bytes.readUInt32LE(at - 4) === NT_GNU_BUILD_ID
    if (isNote && LENGTHS.includes(length) && at + 4 + length <= bytes.length) {
      found.add(bytes.toString('hex', at + 4, at + 4 + length))
    }
    at = bytes.indexOf(NOTE_NAME, at + 1)
  }
  return found.size === 1 ? ([...found][0] ?? null) : null
}
