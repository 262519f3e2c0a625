/** How the main archive of an initramfs is packed; `none` is a plain cpio archive. */
export type Packing = 'gzip' | 'zstd' | 'xz' | 'lz4' | 'none'

/** Magic numbers: RFC 1952, RFC 8878, the .xz format 1.1.0, lz4_Frame_format.md (legacy), cpio(5) newc. */
const MAGICS: readonly (readonly [Packing, string])[] = [
  ['gzip', '1f8b'],
  ['xz', 'fd377a585a00'],
  ['zstd', '28b52ffd'],
  ['lz4', '02214c18'],
  ['none', Buffer.from('070701', 'latin1').toString('hex')],
]

/** Enough bytes to tell a packing by. */
export const MAGIC_BYTES = 6

/** @param head the first bytes of an archive; null when they begin none that dracut writes */
export function findPacking(head: Uint8Array): Packing | null {
  const hex = Buffer.from(head.subarray(0, MAGIC_BYTES)).toString('hex')
  return MAGICS.find(([, magic]) => hex.startsWith(magic))?.[0] ?? null
}

/** Linux, Documentation/admin-guide/bootconfig.rst: `#BOOTCONFIG\n` ends an initrd that carries a boot configuration. */
const BOOTCONFIG_MAGIC = '#BOOTCONFIG\n'
/** As many of the last bytes of a file as `hasBootConfig` looks at. */
export const BOOTCONFIG_BYTES = BOOTCONFIG_MAGIC.length

export function hasBootConfig(tail: Uint8Array): boolean {
  return Buffer.from(tail.subarray(-BOOTCONFIG_BYTES)).toString('latin1') === BOOTCONFIG_MAGIC
}

/** What the kernel would make of bytes behind the main archive. @param trailing their first bytes, at least one */
export function describeTrailing(trailing: Uint8Array): string {
  const start = trailing.findIndex((byte) => byte !== 0)
  if (start === -1) return 'zeros behind the packed archive'
  const packing = findPacking(trailing.subarray(start))
  if (packing === 'none') return 'a second, plain archive behind the packed one'
  if (packing !== null) return `a second archive (${packing}) behind the packed one`
  return 'other bytes behind the packed archive'
}
