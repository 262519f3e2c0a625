import { createHash } from 'node:crypto'
import { gunzipSync, gzipSync } from 'node:zlib'

/** A Xen image of the built-in machine: gzip of an ELF header, a GNU build-id note and a text that names the build. */
export function makeXenImage(build: string): Uint8Array {
  const buildId = createHash('sha1').update(`build id of ${build}`).digest()
  const note = Buffer.alloc(16)
  note.writeUInt32LE(4, 0)
  note.writeUInt32LE(buildId.length, 4)
  note.writeUInt32LE(3, 8)
  note.write('GNU\0', 12, 'latin1')
  const elf = Buffer.concat([Buffer.from('\x7fELF\x01\x01\x01', 'latin1'), Buffer.alloc(45)])
  return gzipSync(Buffer.concat([elf, note, buildId, Buffer.from(`Xen ${build}\n`.repeat(64))]))
}

/** The same image with one byte of its code changed and the build id left as it was: what an attacker does. */
export function changeOneByte(image: Uint8Array): Uint8Array {
  const plain = gunzipSync(image)
  const at = plain.length - 7
  plain[at] = (plain[at] ?? 0) ^ 0x01
  return gzipSync(plain)
}

/** ACM header fields: Intel TXT Software Development Guide, revision 017, appendix A (offsets in bytes). */
const ACM = { type: 2, vendor: 0x8086, vendorAt: 16, sizeAt: 24, sizeBytes: 128, textAt: 64 } as const

/** A SINIT module as far as anybody looks into it: an ACM header, then a text that tells one from another. */
export function makeSinit(text: string): Uint8Array {
  const module = Buffer.alloc(ACM.sizeBytes)
  module.writeUInt16LE(ACM.type, 0)
  module.writeUInt32LE(ACM.vendor, ACM.vendorAt)
  module.writeUInt32LE(ACM.sizeBytes / 4, ACM.sizeAt)
  module.write(text, ACM.textAt, 'latin1')
  return module
}

export function makeKernelImage(release: string): Uint8Array {
  return Buffer.from(`MZ kernel ${release}\n`.repeat(32))
}
