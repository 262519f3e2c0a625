/** `new ascii` entries: cpio(5); Linux, Documentation/driver-api/early-userspace/buffer-format.rst. */
export const HEADER_BYTES = 110
const MAGIC = '070701'
const CRC_MAGIC = '070702'
/** PATH_MAX with its zero, as the kernel reads names (init/initramfs.c). */
const MAX_NAME_BYTES = 4096

export type CpioEntry = {
  readonly name: string
  /** With the bits of the kind (S_IFMT), cpio(5). */
  readonly mode: number
  readonly uid: number
  readonly gid: number
  readonly inode: number
  readonly linkCount: number
  readonly sizeBytes: number
  readonly device: string
  /** Major and minor of a device node. */
  readonly nodeDevice: string
  sha256: string
  /** Of a link its target; of a file that is kept its content. */
  content: Buffer | null
}

export type CpioHeader = Omit<CpioEntry, 'name' | 'sha256' | 'content'> & {
  readonly nameBytes: number
  readonly checksum: number
}

/** @returns the fields, or in words why it is no header */
export function parseHeader(bytes: Uint8Array): CpioHeader | string {
  const text = Buffer.from(bytes).toString('latin1')
  const magic = text.slice(0, MAGIC.length)
  if (magic === CRC_MAGIC) return 'an entry of the form with checksums (070702)'
  if (magic !== MAGIC) return 'bytes that are no entry of a cpio archive'
  const digits = text.slice(MAGIC.length)
  if (/0x/i.test(digits)) return 'a header field that begins with 0x'
  if (!/^[0-9A-Fa-f]{104}$/.test(digits)) return 'a header field that is no hexadecimal number'
  const field = (at: number): number => Number.parseInt(digits.slice(at * 8, at * 8 + 8), 16)
  const nameBytes = field(11)
  if (nameBytes < 2 || nameBytes > MAX_NAME_BYTES) return `a name of ${nameBytes} bytes`
  return {
    inode: field(0),
    mode: field(1),
    uid: field(2),
    gid: field(3),
    linkCount: field(4),
    sizeBytes: field(6),
    device: `${field(7)}:${field(8)}`,
    nodeDevice: `${field(9)}:${field(10)}`,
    nameBytes,
    checksum: field(12),
  }
}

/** S_IFMT and its values, inode(7). */
export const FILE_KIND = {
  mask: 0o170000,
  file: 0o100000,
  directory: 0o040000,
  link: 0o120000,
  character: 0o020000,
  block: 0o060000,
} as const
