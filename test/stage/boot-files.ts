import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { gunzipSync, gzipSync } from 'node:zlib'
import { debianXenImage } from './preflight.ts'

/** NT_GNU_BUILD_ID note: name size 4, type 3, name "GNU\0" (elf(5)); the description follows. */
const BUILD_ID_NOTE = Buffer.from('03000000474e5500', 'hex')
const BUILD_ID_BYTES = 20

/** Where the GNU build id lies in a decompressed Xen image. @throws Error when there is none */
function buildIdOffset(image: Buffer): number {
  for (let at = image.indexOf(BUILD_ID_NOTE); at >= 8; at = image.indexOf(BUILD_ID_NOTE, at + 1))
    if (image.readUInt32LE(at - 8) === 4 && image.readUInt32LE(at - 4) === BUILD_ID_BYTES)
      return at + BUILD_ID_NOTE.length
  throw new Error('no GNU build id in the Xen image')
}

/** What GRUB hands over: gzip is decompressed, everything else is loaded as stored. */
export function asGrubLoads(file: Buffer): Buffer {
  return file[0] === 0x1f && file[1] === 0x8b ? gunzipSync(file) : file
}

/** GNU build id of a Xen image, compressed or not. */
export function readBuildId(image: Buffer): Buffer {
  const plain = asGrubLoads(image)
  const at = buildIdOffset(plain)
  return plain.subarray(at, at + BUILD_ID_BYTES)
}

/** Debian's real Xen image, as packaged. */
export function realXenImage(): Buffer {
  const path = debianXenImage()
  if (!path) throw new Error('no Xen image in /boot; next: apt-get install xen-hypervisor-4.17-amd64')
  return readFileSync(path)
}

/** Another build of the same Xen: the real image under a build id of its own. */
export function otherXenBuild(name: string): Buffer {
  const plain = Buffer.from(asGrubLoads(realXenImage()))
  createHash('sha1').update(name).digest().copy(plain, buildIdOffset(plain))
  return gzipSync(plain)
}

/** A Xen with the same build id and a few bytes changed elsewhere: what an evil maid leaves behind. */
export function tamperedXen(image: Buffer): Buffer {
  const plain = Buffer.from(asGrubLoads(image))
  plain.write('evil maid was here', plain.length - 64)
  return gzipSync(plain)
}

/** Bytes that depend only on the name; they do not compress. */
export function fillerBytes(name: string, sizeBytes: number): Buffer {
  const blocks: Buffer[] = []
  for (let n = 0; n * 64 < sizeBytes; n++) blocks.push(createHash('sha512').update(`${name} ${n}`).digest())
  return Buffer.concat(blocks).subarray(0, sizeBytes)
}

/** Fields of a bzImage (Linux, Documentation/arch/x86/boot.rst): `kernel_version` counts from 0x200. */
const BZIMAGE = { bootFlag: 0x1fe, magic: 0x202, version: 0x20e, base: 0x200, versionText: 0x3000 } as const

/** Looks like a bzImage to those who check: "MZ", boot flag, "HdrS", the release as its version. */
export function kernelImage(name: string): Buffer {
  const image = fillerBytes(name, 256 * 1024)
  image.write('MZ', 0, 'latin1')
  image.writeUInt16LE(0xaa55, BZIMAGE.bootFlag)
  image.write('HdrS', BZIMAGE.magic, 'latin1')
  image.writeUInt16LE(BZIMAGE.versionText - BZIMAGE.base, BZIMAGE.version)
  image.write(`${name} (mockbuild) #1 SMP\0`, BZIMAGE.versionText, 'latin1')
  return image
}

/** What a kernel calls itself once it runs. */
export function readKernelRelease(image: Buffer): string {
  const at = image.readUInt16LE(BZIMAGE.version) + BZIMAGE.base
  return image.toString('latin1', at, image.indexOf(0, at)).split(' ')[0] ?? ''
}

function cpioArchive(files: Record<string, Buffer>): Buffer {
  const parts: Buffer[] = []
  const padded = (bytes: Buffer): Buffer => Buffer.concat([bytes, Buffer.alloc((4 - (bytes.length % 4)) % 4)])
  for (const [name, content] of [...Object.entries(files), ['TRAILER!!!', Buffer.alloc(0)] as const]) {
    const fields = [0, 0o100644, 0, 0, 1, 0, content.length, 0, 0, 0, 0, name.length + 1, 0]
    const header = `070701${fields.map((field) => field.toString(16).padStart(8, '0')).join('')}`
    parts.push(padded(Buffer.from(`${header}${name}\0`, 'latin1')), padded(content))
  }
  const archive = Buffer.concat(parts)
  return Buffer.concat([archive, Buffer.alloc((512 - (archive.length % 512)) % 512)])
}

/** As dracut makes it: an early cpio with microcode, stored, then the compressed rest. So GRUB does not decompress it. */
export function initramfsImage(name: string): Buffer {
  const early = cpioArchive({
    'kernel/x86/microcode/GenuineIntel.bin': fillerBytes(`microcode ${name}`, 8192),
  })
  const rest = cpioArchive({
    'etc/stage': Buffer.from(`${name}\n`),
    'usr/bin/filler': fillerBytes(name, 200_000),
  })
  return Buffer.concat([early, gzipSync(rest)])
}
