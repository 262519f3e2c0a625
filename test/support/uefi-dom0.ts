import { createHash } from 'node:crypto'
import { ALGORITHMS, registersOf, writeAgileLog } from '../core/launch/tcg-writer.ts'
import { aemDom0, INTERNAL_UUID, LUKS_UUID, type RecordedDom0 } from './recorded-machine.ts'
import { eventsOf, type Kind, type Launch, sklFile, xenFile } from './trenchboot-launch.ts'

/*
 * A dom0 that was launched by TrenchBoot on UEFI, with all that its boot left and the same entry to boot next; each part can be
 * written otherwise. grub.cfg and Xen's configuration are as TrenchBoot/qubes-antievilmaid 18a0a74 writes them
 * (etc/grub.d/19_linux_xen_trenchboot, lines 128-170 and 300-377), with its BIOS entries before.
 */

const RELEASE = '6.6.36-1.qubes.fc37.x86_64'
export const KERNEL_BYTES = 'MZ kernel\n'
export const INITRAMFS_BYTES = '070701 initramfs'
const XEN_BYTES = 'MZ xen.efi'
export const XEN_LINE = 'placeholder console=none no-real-mode edd=off'
export const KERNEL_LINE = `placeholder root=/dev/mapper/qubes_dom0-root ro rd.luks.uuid=luks-${LUKS_UUID} rhgb quiet aem.uuid=${INTERNAL_UUID} rd.luks.key=/tmp/aem-keyfile rd.luks.crypttab=no`
const PLACE = { address: 0x7e9f_5000, sizeBytes: 0x8000 }
export const ESP = '/boot/efi/EFI/qubes'

export type UefiParts = {
  readonly kind?: Extract<Kind, 'intel-uefi' | 'amd-uefi'>
  /** Files of the ESP by name; null: known not to be there. */
  readonly esp?: Readonly<Record<string, string | null>>
  readonly configuration?: string
  readonly section?: string
  /** Xen as it lay in memory, and its package: of this boot after an update of it. */
  readonly isXenUpdated?: boolean
  /** What this boot was started with. */
  readonly boot?: { readonly xen?: string; readonly kernel?: string; readonly kernelName?: string }
}

export const configurationOf = (
  xen = XEN_LINE,
  kernel = KERNEL_LINE,
  release = RELEASE,
  more = '',
): string => `    [vmlinuz-${release}]
    options=${xen}
    kernel=aem-vmlinuz-${release} ${kernel}
    ramdisk=aem-initramfs-${release}.img
${more}`

export function grubOf(section = `vmlinuz-${RELEASE}`): string {
  return `if [ "$grub_platform" = "efi" ]; then
	set esp_dev="$root"
	insmod part_gpt
	insmod ext2
	search --no-floppy --fs-uuid --set=root ${INTERNAL_UUID}
	set root_dev="$root"
fi
if [ -d /aem/ ]; then
if [ "$grub_platform" = "pc" -o "$grub_platform" = "" ]; then
	menuentry 'AEM Qubes, with Xen hypervisor' --class xen $menuentry_id_option 'xen-gnulinux-simple-x' {
		slaunch
		search --no-floppy --fs-uuid --set=root ${INTERNAL_UUID}
		multiboot2	/xen-4.17.4.gz ${XEN_LINE}
		module2	/vmlinuz-${RELEASE} ${KERNEL_LINE}
		module2	/initramfs-${RELEASE}.img
		slaunch_module	/SKL.BIN
	}
elif [ "$grub_platform" = "efi" ]; then
	menuentry 'AEM Qubes, with Xen hypervisor' --class xen $menuentry_id_option 'xen-gnulinux-simple-x' {
		echo	'Enabling slaunch ...'
		slaunch
		set root="$esp_dev"
		echo	'Loading Xen 4.17.4.efi ...'
		chainloader	/EFI/qubes/xen-4.17.4.efi ${section}
		echo	'Loading SINIT module SKL.BIN ...'
		slaunch_module	($root_dev)/SKL.BIN
	}
fi

fi
`
}

const sha256 = (text: string): string => createHash('sha256').update(text, 'latin1').digest('hex')

export function uefiLaunch(parts: UefiParts = {}): Launch {
  const { kind = 'amd-uefi', boot = {} } = parts
  return {
    kind,
    xen: xenFile(parts.isXenUpdated ? '4.17.4-4' : '4.17.4-3'),
    xenOptions: boot.xen ?? XEN_LINE,
    loader: sklFile('SKL of the tests'),
    modules: [
      {
        name: boot.kernelName ?? `aem-vmlinuz-${RELEASE}`,
        options: boot.kernel ?? KERNEL_LINE,
        bytes: KERNEL_BYTES,
      },
      { name: `aem-initramfs-${RELEASE}.img`, options: '', bytes: INITRAMFS_BYTES },
    ],
  }
}

export function uefiDom0(parts: UefiParts = {}): RecordedDom0 {
  const both = ALGORITHMS.slice(0, 2)
  const launch = uefiLaunch(parts)
  const events = eventsOf(launch)
  const log = writeAgileLog(events, both, 0)
  const memory = Buffer.concat([log, Buffer.alloc(PLACE.sizeBytes - log.length)]).toString('latin1')
  const end = (PLACE.address + PLACE.sizeBytes).toString(16)
  const { xen = XEN_LINE, kernel = KERNEL_LINE } = parts.boot ?? {}
  const esp: Readonly<Record<string, string | null>> = {
    'xen-4.17.4.efi': XEN_BYTES,
    'xen-4.17.4.cfg': parts.configuration ?? configurationOf(),
    [`aem-vmlinuz-${RELEASE}`]: KERNEL_BYTES,
    [`aem-initramfs-${RELEASE}.img`]: INITRAMFS_BYTES,
    ...parts.esp,
  }
  const machine = aemDom0()
    .withTrenchBoot()
    .withTpm20({ ...registersOf(events, both).sha256, 13: '13'.repeat(32) })
    .forgetting('/usr/sbin/xl', 'rpm -q --qf [%{=NAME}')
    .without('/usr/sbin/txt-stat')
    .withFile('/sys/firmware/efi/fw_platform_size', '64\n')
    .withFile('/proc/cmdline', `${kernel}\n`)
    .withFile('/boot/grub2/grub.cfg', grubOf(parts.section))
    .withFile('/boot/SKL.BIN', launch.loader)
    .withFile(`/boot/initramfs-${RELEASE}.img`, INITRAMFS_BYTES)
    .withPackage('kernel-latest', '1000:6.6.36-1.qubes.fc37', 1721026800)
    .answering(
      'xl-info',
      {},
      { stdout: `xen_version            : 4.17.4\nxen_commandline        : ${xen}\n` },
    )
    .answering(
      'xl-dmesg',
      {},
      { stdout: `(XEN) SLAUNCH: reserving event log (0x${PLACE.address.toString(16)} - 0x${end})\n` },
    )
    .answering(
      'memory-read',
      { address: String(PLACE.address), sizeBytes: String(PLACE.sizeBytes) },
      { stdout: memory },
    )
  if (parts.isXenUpdated) {
    const xenQuery = machine.commands.findIndex(
      ({ argv }) => argv.at(-1) === 'xen-hypervisor' && argv[1] === '-q',
    )
    machine.commands.splice(xenQuery, 1)
    machine.withPackage('xen-hypervisor', '2001:4.17.4-4.fc37', 1721200000)
    machine.withFile('/proc/stat', 'cpu  1 2 3 4\nbtime 1721201000\n')
    machine.withFile('/proc/sys/kernel/random/boot_id', '11111111-3b4a-4c5d-8e6f-0a1b2c3d4e5f\n')
  }
  // Written after the packages of the initramfs, and before this boot.
  const stat = (sizeBytes: number) => ({ kind: 'file', sizeBytes, mtimeMs: 1721100000000, mode: 0o600 })
  machine.extra.stats = {
    [`/boot/initramfs-${RELEASE}.img`]: stat(INITRAMFS_BYTES.length),
    '/boot/SKL.BIN': stat(launch.loader.length),
  }
  const version = {
    xen: `2001:4.17.4-${parts.isXenUpdated ? 4 : 3}.fc37`,
    kernel: '1000:6.6.36-1.qubes.fc37',
  }
  owned(machine, 'xen-hypervisor', version.xen, {
    [`${ESP}/xen-4.17.4.efi`]: sha256(XEN_BYTES),
    '/boot/xen-4.17.4.gz': createHash('sha256')
      .update(machine.files.get('/boot/xen-4.17.4.gz')!)
      .digest('hex'),
  })
  owned(machine, 'kernel-latest', version.kernel, { [`/boot/vmlinuz-${RELEASE}`]: sha256(KERNEL_BYTES) })
  for (const [name, content] of Object.entries(esp)) {
    if (content === null) machine.without(`${ESP}/${name}`)
    else machine.withFile(`${ESP}/${name}`, Buffer.from(content, 'latin1'))
  }
  return machine
}

/** What rpm says of a package whose files are as packaged and whose signature is good. */
function owned(
  machine: RecordedDom0,
  name: string,
  evr: string,
  files: Readonly<Record<string, string>>,
): void {
  const query = machine.commands.find(
    ({ argv, stdout }) =>
      argv.at(-1) === name && typeof stdout === 'string' && stdout.startsWith(`${name}\t`),
  )!
  const lines = Object.entries(files).map(([path, digest]) => `${name}\t${evr}\t${path}\t${digest}\n`)
  machine
    .answering('rpm-files', { name }, { stdout: lines.join('') })
    .answering('rpm-verify', { name }, { stdout: '' })
    .answering('rpm-signature', { name }, { stderr: 'Header V4 RSA/SHA256 Signature, key ID 8e34d89f: OK\n' })
  for (const path of Object.keys(files)) machine.answering('rpm-owner', { path }, { stdout: query.stdout! })
}
