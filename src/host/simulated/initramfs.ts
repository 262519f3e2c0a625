import { gzipSync } from 'node:zlib'
import { withoutEpoch } from '../../core/package/evr.ts'
import type { SimMachine } from './model.ts'

/*
 * The built-in machine's dracut: small images of the true form (early archive, packed main archive), which differ only in
 * what makes those of a dom0 differ. The form is dracut 057's, dracut.sh, lines 2243-2595; newc is told in Linux,
 * Documentation/driver-api/early-userspace/buffer-format.rst.
 */

export type InitramfsInputs = {
  readonly release: string
  /** As dracut stores them (core/initramfs/words.ts). */
  readonly words: string
  readonly dracut: string
  readonly microcode: string
  readonly firmware: string
  readonly aem: string
  readonly modules: readonly string[]
  /** Settings of dom0 that dracut takes along. */
  readonly crypttab: string
}

/** The modules that the built-in machine's kernel has. */
export const KERNEL_MODULES: readonly string[] = [
  'dm-crypt',
  'ext4',
  'nvme',
  'usb-storage',
  'xen-blkback',
  'xhci-pci',
]
/** Those in use where nothing else is told. */
export const LOADED_MODULES: readonly string[] = ['dm-crypt', 'ext4', 'nvme', 'xen-blkback']

/** The image that dracut makes of these inputs: the same bytes each time, as with reproducible="yes". */
export function makeInitramfs(inputs: InitramfsInputs): Uint8Array {
  const { release, words, dracut, microcode, firmware, aem, crypttab } = inputs
  const early = archive([
    ['early_cpio', '1\n'],
    ['kernel/x86/microcode/GenuineIntel.bin', `microcode ${microcode}\n`],
  ])
  const main = archive([
    ['etc/crypttab', crypttab],
    ['usr/bin/bash', 'the shell of the built-in machine\n'],
    ['usr/lib/dracut/build-parameter.txt', words],
    ['usr/lib/dracut/hooks/pre-mount/90-anti-evil-maid.sh', `anti-evil-maid ${aem}\n`],
    ['usr/lib/firmware/i915/firmware.bin', `firmware ${firmware}\n`],
    ['usr/lib/initrd-release', `NAME=dracut\nVERSION="dracut-${dracut}"\n`],
    ...inputs.modules.map((name): [string, string] => [
      `usr/lib/modules/${release}/kernel/${name}.ko.xz`,
      `module ${name} of ${release}\n`,
    ]),
  ])
  return Buffer.concat([early, gzipSync(main)])
}

/** What dracut makes on the machine now. @param modules null: of the modules that are loaded */
export function initramfsOf(
  machine: SimMachine,
  release: string,
  words: string,
  modules: readonly string[] | null = null,
): Uint8Array {
  const versionOf = (name: string): string => {
    const found = machine.packages.find((item) => item.name === name)
    return found === undefined ? 'none' : withoutEpoch(found.evr)
  }
  const named = modules === null ? null : new Set(modules)
  const crypttab = machine.dom0.get('/etc/crypttab')?.bytes
  return makeInitramfs({
    release,
    words,
    dracut: versionOf('dracut'),
    microcode: versionOf('microcode_ctl'),
    firmware: versionOf('linux-firmware'),
    aem: versionOf('anti-evil-maid'),
    modules:
      named === null
        ? machine.loadedModules
        : KERNEL_MODULES.filter((name) => named.has(name.replaceAll('-', '_'))),
    crypttab: Buffer.from(crypttab ?? []).toString('utf8'),
  })
}

/** depmod's list of the built-in machine's kernel. */
export function renderModulesDep(): string {
  return KERNEL_MODULES.map((name) => `kernel/${name}.ko.xz:\n`).join('')
}

/** GNU cpio's newc, with each directory before what is in it. */
function archive(files: readonly (readonly [string, string])[]): Buffer {
  const directories = new Set(['.'])
  for (const [name] of files)
    for (let at = name.indexOf('/'); at !== -1; at = name.indexOf('/', at + 1))
      directories.add(name.slice(0, at))
  const entries = [
    ...[...directories].map((name) => ({ name, mode: 0o40755, data: '' })),
    ...files.map(([name, data]) => ({ name, mode: 0o100644, data })),
  ].sort((a, b) => (a.name < b.name ? -1 : 1))
  const bytes = entries.map(({ name, mode, data }, at) => entry(at + 1, name, mode, data))
  return fill(Buffer.concat([...bytes, entry(0, 'TRAILER!!!', 0, '')]), 512)
}

function entry(inode: number, name: string, mode: number, data: string): Buffer {
  const [label, body] = [Buffer.from(`${name}\0`), Buffer.from(data)]
  const fields = [inode, mode, 0, 0, 1, 0, body.length, 0, 0, 0, 0, label.length, 0]
  const header = `070701${fields.map((value) => value.toString(16).toUpperCase().padStart(8, '0')).join('')}`
  return Buffer.concat([fill(Buffer.concat([Buffer.from(header), label]), 4), fill(body, 4)])
}

function fill(bytes: Buffer, unit: number): Buffer {
  return Buffer.concat([bytes, Buffer.alloc((unit - (bytes.length % unit)) % unit)])
}
