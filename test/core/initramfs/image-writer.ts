import { deflateRawSync, gzipSync } from 'node:zlib'

/*
 * Writes initramfs images, whole ones as GNU cpio and gzip do and damaged ones as an attacker would. The form of an entry:
 * Linux, Documentation/driver-api/early-userspace/buffer-format.rst ("newc"): magic, 13 fields of 8 hexadecimal digits, name
 * with its zero, filled up to 4, data, filled up to 4. The archive: GNU cpio 2.13, src/copyout.c (end mark, block of 512).
 * The image: dracut 059, dracut.sh, lines 2455-2590. What a kernel does with each damage was seen with Linux 6.1 in QEMU.
 */

export type EntryOptions = {
  readonly mode?: number
  readonly inode?: number
  readonly linkCount?: number
  readonly uid?: number
  readonly magic?: string
  /** Fields by their position, as they are to stand there: a number, or eight characters. */
  readonly fields?: Readonly<Record<number, number | string>>
  /** Stands in the padding behind the data. */
  readonly filler?: number
}

export function entry(name: string, data: string | Uint8Array = '', options: EntryOptions = {}): Buffer {
  const body = Buffer.from(data as string)
  const label = Buffer.from(`${name}\0`, 'latin1')
  const { mode = 0o100644, inode = 0, linkCount = 1, uid = 0, magic = '070701', filler = 0 } = options
  const fields: (number | string)[] = [
    inode,
    mode,
    uid,
    0,
    linkCount,
    0,
    body.length,
    0,
    0,
    0,
    0,
    label.length,
    0,
  ]
  for (const [at, value] of Object.entries(options.fields ?? {})) fields[Number(at)] = value
  const digits = fields.map((value) =>
    typeof value === 'string' ? value : value.toString(16).toUpperCase().padStart(8, '0'),
  )
  return Buffer.concat([
    fill(Buffer.from(magic + digits.join('') + label.toString('latin1'), 'latin1'), 4),
    fill(body, 4, filler),
  ])
}

export const directory = (name: string): Buffer => entry(name, '', { mode: 0o40755 })
export const link = (name: string, target: string): Buffer => entry(name, target, { mode: 0o120777 })
export const endMark = (): Buffer => entry('TRAILER!!!', '', { mode: 0, fields: { 1: 0 } })

export function archive(...entries: readonly Uint8Array[]): Buffer {
  return fill(Buffer.concat([...entries, endMark()]), 512)
}

/** gzip -n, as dracut calls it: no flag in the header. */
export function pack(bytes: Uint8Array): Buffer {
  return gzipSync(bytes, { level: 6 })
}

function fill(bytes: Buffer, unit: number, filler = 0): Buffer {
  return Buffer.concat([bytes, Buffer.alloc((unit - (bytes.length % unit)) % unit, filler)])
}

export const RELEASE = '6.6.36-1.qubes.fc37.x86_64'

/** What every image of the tests has: the shape of one that dracut makes. */
export function genuineEntries(words = ' --force\n', modules: readonly string[] = ['dm-crypt']): Buffer[] {
  const below = `usr/lib/modules/${RELEASE}`
  return [
    directory('.'),
    link('bin', 'usr/bin'),
    directory('etc'),
    entry('etc/crypttab', 'luks-1 UUID=1 none\n'),
    link('init', 'usr/lib/systemd/systemd'),
    directory('usr'),
    directory('usr/bin'),
    entry('usr/bin/bash', 'the shell', { mode: 0o100755 }),
    entry('usr/bin/gawk', '', { inode: 7, linkCount: 2 }),
    entry('usr/bin/gawk-5', 'one file, two names', { inode: 7, linkCount: 2 }),
    directory('usr/lib'),
    directory('usr/lib/dracut'),
    entry('usr/lib/dracut/build-parameter.txt', words),
    directory('usr/lib/modules'),
    directory(below),
    ...modules.map((name) => entry(`${below}/${name}.ko.xz`, `module ${name}`)),
  ]
}

export const earlyEntries = (): Buffer[] => [
  directory('.'),
  entry('early_cpio', '1\n'),
  directory('kernel'),
  directory('kernel/x86'),
  directory('kernel/x86/microcode'),
  entry('kernel/x86/microcode/GenuineIntel.bin', 'microcode'),
]

export const early = (): Buffer => archive(...earlyEntries())

/** An image with further entries in its main archive, behind those it has. */
export function imageWith(...added: readonly Uint8Array[]): Buffer {
  return Buffer.concat([early(), pack(archive(...genuineEntries(), ...added))])
}

/** A boot configuration behind it: Linux, Documentation/admin-guide/bootconfig.rst (data, size, sum, magic). */
export function withBootConfig(image: Uint8Array, text = 'kernel.rd.break\n'): Buffer {
  const data = Buffer.from(text)
  const filling = Buffer.alloc((4 - ((image.length + data.length) % 4)) % 4)
  const body = Buffer.concat([data, filling])
  const trailer = Buffer.alloc(8)
  trailer.writeUInt32LE(body.length, 0)
  trailer.writeUInt32LE(
    body.reduce((sum, byte) => sum + byte, 0),
    4,
  )
  return Buffer.concat([image, body, trailer, Buffer.from('#BOOTCONFIG\n')])
}

/**
 * gzip and zlib skip the extra field (RFC 1952, 2.3.1.1); the kernel does not know it and unpacks its bytes, the length of the
 * field being the first two bytes of a stored deflate block, and goes on behind with a header of its own.
 */
export function withExtraField(member: Uint8Array): Buffer {
  const evil = Buffer.concat([directory('evil'), entry('evil/added', 'x'), endMark()])
  const stored = Buffer.from([0, 8, 0, 0xf7, 0xff])
  const stream = Buffer.concat([stored, evil.subarray(0, 8), deflateRawSync(evil.subarray(8))])
  const rest = stream.subarray(2)
  const fake = Buffer.from([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3])
  const extra = Buffer.concat([rest, Buffer.alloc(0x800 - rest.length - fake.length), fake])
  const head = Buffer.from(member.subarray(0, 10))
  head[3] = 4
  return Buffer.concat([head, Buffer.from([0, 8]), extra, member.subarray(10)])
}
