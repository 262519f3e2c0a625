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

/** grub.cfg in the form that AEM's GRUB script and grub2-mkconfig write it (anti-evil-maid 4.2.0). */
export function makeGrubConfiguration(entry: {
  readonly xenName: string
  readonly kernelRelease: string
  readonly aemUuid: string
  readonly luksUuid: string
}): string {
  const { xenName, kernelRelease, aemUuid, luksUuid } = entry
  return `set default="0"
set timeout=5
if [ -d /aem/ ]; then
menuentry 'AEM Qubes, with Xen hypervisor' --class qubes --class gnu-linux --class gnu --class os --class xen $menuentry_id_option 'xen-gnulinux-simple-${luksUuid}' {
	insmod part_msdos
	insmod ext2
	echo	'Loading tboot ...'
	multiboot	/tboot.gz placeholder logging=memory,serial
	echo	'Loading Xen ...'
        if [ "$grub_platform" = "pc" -o "$grub_platform" = "" ]; then
            xen_rm_opts=
        else
            xen_rm_opts="no-real-mode edd=off"
        fi
	module	/${xenName} placeholder console=none dom0_mem=min:1024M dom0_mem=max:4096M ucode=scan smt=off \${xen_rm_opts}
	echo	'Loading Linux ...'
	module	/vmlinuz-${kernelRelease} placeholder root=/dev/mapper/qubes_dom0-root ro rd.luks.uuid=luks-${luksUuid} rhgb quiet aem.uuid=${aemUuid} rd.luks.key=/tmp/aem-keyfile rd.luks.crypttab=no
	echo	'Loading initial ramdisk ...'
	module	/initramfs-${kernelRelease}.img
	echo	'Loading SINIT module ...'
	module	/SINIT.BIN
}
fi
menuentry 'Qubes, with Xen hypervisor' --class qubes --class gnu-linux --class gnu --class os --class xen $menuentry_id_option 'xen-gnulinux-simple-${luksUuid}' {
	multiboot2	/${xenName} placeholder console=none dom0_mem=min:1024M dom0_mem=max:4096M ucode=scan smt=off
	module2	/vmlinuz-${kernelRelease} placeholder root=/dev/mapper/qubes_dom0-root ro rd.luks.uuid=luks-${luksUuid} rhgb quiet
	module2	--nounzip /initramfs-${kernelRelease}.img
}
`
}
