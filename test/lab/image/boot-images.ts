/*
 * The Xens and the kernel of the lab: Debian's real ones, under the names that Qubes' packages give theirs. What is patched is
 * never run as code: texts, a note and the wrapping of the kernel.
 */

import { createHash } from 'node:crypto'
import { gunzipSync, gzipSync } from 'node:zlib'

/** NT_GNU_BUILD_ID (elf(5)): name size 4, 20 bytes, type 3, name "GNU\0"; the id follows. */
const BUILD_ID_NOTE = Buffer.from('040000001400000003000000474e5500', 'hex')
const BUILD_ID_BYTES = 20

/** `struct new_utsname` of Linux (include/uapi/linux/utsname.h): six fields of 65 bytes; the release is the third. */
const UTS_FIELD_BYTES = 65

/** Fields of a bzImage (Linux, Documentation/arch/x86/boot.rst). */
const BZIMAGE = {
  setupSectors: 0x1f1,
  version: 0x20e,
  versionBase: 0x200,
  payloadOffset: 0x248,
  payloadLength: 0x24c,
}

function replaceOnce(image: Buffer, from: Buffer, to: Buffer): void {
  const at = image.indexOf(from)
  if (at < 0 || image.indexOf(from, at + 1) >= 0)
    throw new Error(`not once in the image: ${from.toString('latin1')}`)
  if (from.length !== to.length) throw new Error('a patch must not move anything')
  to.copy(image, at)
}

/**
 * Debian's Xen 4.17.x as Xen 4.17.4, of a build of its own.
 * @param packaged Debian's /boot/xen-4.17-amd64.gz
 * @param build names the build: it decides the GNU build id, so two builds differ in these bytes alone
 * @returns the file of the package, compressed
 */
export function xenBuild(packaged: Buffer, build: string): Buffer {
  const image = gunzipSync(packaged)
  // xen_extra_version() and the text that stands for what a guest may not know (xen/common/version.c)
  const extra = /\0(\.[0-9])\0<denied>/.exec(image.toString('latin1'))?.[1]
  if (extra === undefined) throw new Error('no extra version in this Xen')
  replaceOnce(image, Buffer.from(`\0${extra}\0<denied>`), Buffer.from('\0.4\0<denied>'))
  const note = image.indexOf(BUILD_ID_NOTE)
  if (note < 0) throw new Error('no build id in this Xen')
  createHash('sha1')
    .update(build)
    .digest()
    .copy(image, note + BUILD_ID_NOTE.length, 0, BUILD_ID_BYTES)
  return gzipSync(image)
}

/**
 * Debian's kernel under another release. Xen unpacks a dom0 kernel itself, by the two payload fields of its header (xen/arch/x86/
 * bzimage.c), so the part of the image that a bare machine would run may be left as it is.
 * @param packaged a bzImage
 * @param elf what its payload unpacks to
 * @param release what `uname -r` shall say, 64 bytes at most
 */
export function kernelBuild(packaged: Buffer, elf: Buffer, release: string): Buffer {
  const kernel = Buffer.from(elf)
  const names = Buffer.concat([field('Linux'), field('(none)')])
  // init_uts_ns, and the copy that is thrown away after the start
  let at = kernel.indexOf(names)
  if (at < 0) throw new Error('init_uts_ns is not in this kernel')
  for (; at >= 0; at = kernel.indexOf(names, at + 1)) field(release).copy(kernel, at + names.length)
  const payload = gzipSync(kernel, { level: 6 })
  const start =
    (packaged.readUInt8(BZIMAGE.setupSectors) + 1) * 512 + packaged.readUInt32LE(BZIMAGE.payloadOffset)
  const head = Buffer.from(packaged.subarray(0, start))
  head.writeUInt32LE(payload.length, BZIMAGE.payloadLength)
  const text = head.readUInt16LE(BZIMAGE.version) + BZIMAGE.versionBase
  const end = head.indexOf(0, text)
  const words = `${release} (lab)`.slice(0, end - text)
  head.fill(0, text, end)
  head.write(words, text, 'latin1')
  return Buffer.concat([head, payload])
}

/** Where the payload of a bzImage lies, as the kernel's own scripts/extract-vmlinux must search for. */
export function kernelPayload(packaged: Buffer): Buffer {
  const start =
    (packaged.readUInt8(BZIMAGE.setupSectors) + 1) * 512 + packaged.readUInt32LE(BZIMAGE.payloadOffset)
  return packaged.subarray(start, start + packaged.readUInt32LE(BZIMAGE.payloadLength))
}

function field(text: string): Buffer {
  const bytes = Buffer.alloc(UTS_FIELD_BYTES)
  if (bytes.write(text, 'latin1') >= UTS_FIELD_BYTES) throw new Error(`too long for a name: ${text}`)
  return bytes
}
