import { bootFromGrub, type GrubBoot, type MenuChoice } from './boot.ts'
import type { Loaded } from './loader.ts'
import type { GrubDisk } from './run.ts'

/** What runs in the end, and what tboot measured on the way. Texts are Latin-1, one character for each byte. */
export type Booted = {
  readonly title: string
  /** With tboot in front this is a measured boot. */
  readonly tboot: Loaded | null
  /** What tboot measures, in order; the first stands in Xen's place, whatever it is. */
  readonly modules: readonly Loaded[]
  readonly sinit: Loaded | null
  /** null: the kernel runs without Xen; `commandLine` is what `xl info` shows. */
  readonly xen: { readonly image: Buffer; readonly commandLine: string } | null
  /** `commandLine` is /proc/cmdline without its newline. */
  readonly kernel: { readonly image: Buffer; readonly commandLine: string }
  readonly initramfs: Loaded | null
  readonly touched: GrubBoot['touched']
  readonly written: GrubBoot['written']
}

/** UUID in tboot's MLE header (tboot 1.10.5, tboot/include/mle.h, MLE_HDR_UUID). */
const MLE_UUID = Buffer.from('5aac82906f47a7740f5c55a2cb51b642', 'hex')
/** The built-in machine's tboot is a text. */
const TBOOT_TEXT = 'tboot of '
/** ACM header: chipset type and Intel as vendor (tboot 1.10.5, include/txt/acmod.h). */
const ACM = { typeAt: 0, type: 2, vendorAt: 16, vendor: 0x8086, sizeAt: 24, headBytes: 28 } as const
/** Linux and Xen keep so much of a command line (Xen 4.17, MAX_GUEST_CMDLINE with its NUL). */
const LINE_BYTES = 1023

const isTboot = ({ image }: Loaded): boolean => image.includes(MLE_UUID) || startsWith(image, TBOOT_TEXT)
const isElf = ({ image }: Loaded): boolean => startsWith(image, '\x7fELF')
const isLinux = ({ image }: Loaded): boolean => startsWith(image, 'MZ')

function startsWith(image: Buffer, text: string): boolean {
  return image.subarray(0, text.length).toString('latin1') === text
}

function isSinit({ image }: Loaded): boolean {
  return (
    image.length >= ACM.headBytes &&
    image.readUInt16LE(ACM.typeAt) === ACM.type &&
    image.readUInt32LE(ACM.vendorAt) === ACM.vendor &&
    image.readUInt32LE(ACM.sizeAt) * 4 === image.length
  )
}

/**
 * Boots the device as GRUB, tboot and Xen would.
 * @throws Error when nothing of the known kinds starts
 */
export function bootDevice(disk: GrubDisk, choice: MenuChoice = null, platform: 'pc' | 'efi' = 'pc'): Booted {
  const started = bootFromGrub(disk, choice, platform)
  const { title, touched, written } = started
  const common = { title, touched, written }
  if (started.verb === 'linux' && isLinux(started.kernel)) {
    const { kernel, modules } = started
    return {
      ...common,
      tboot: null,
      modules: [],
      sinit: null,
      xen: null,
      kernel,
      initramfs: modules[0] ?? null,
    }
  }
  if (!started.verb.startsWith('multiboot')) throw new Error(`${title} starts ${started.kernel.path}`)
  if (!isTboot(started.kernel)) {
    const modules = [started.kernel, ...started.modules]
    return { ...common, tboot: null, modules, sinit: null, ...startFirst(modules) }
  }
  // remove_txt_modules of tboot's loader.c: SINIT goes out by its content, and the first module is never looked at
  const isTaken = (module: Loaded, index: number): boolean => index > 0 && isSinit(module)
  const modules = started.modules.filter((module, index) => !isTaken(module, index))
  return {
    ...common,
    tboot: started.kernel,
    modules,
    // find_platform_sinit_module begins at the end
    sinit: started.modules.findLast(isTaken) ?? null,
    ...startFirst(modules),
  }
}

/** tboot's launch_kernel: an ELF file is started as a multiboot kernel, which is Xen, else as a Linux kernel. */
function startFirst(modules: readonly Loaded[]): Pick<Booted, 'xen' | 'kernel' | 'initramfs'> {
  const [first, second, third] = modules
  if (first && isLinux(first)) return { xen: null, kernel: first, initramfs: second ?? null }
  if (!first || !isElf(first) || !second) throw new Error(`${first?.path ?? 'nothing'} does not start as Xen`)
  const lines = splitXenLine(first.commandLine)
  return {
    xen: { image: first.image, commandLine: lines.xen },
    kernel: {
      image: second.image,
      commandLine: `${cook(second.commandLine)}${lines.dom0}`.slice(0, LINE_BYTES),
    },
    initramfs: third ?? null,
  }
}

/**
 * What follows ` -- ` belongs to dom0's kernel, with one blank before it, and is no part of Xen's own line any more
 * (Xen 4.17, arch/x86/setup.c, __start_xen and create_dom0).
 */
function splitXenLine(line: string): { xen: string; dom0: string } {
  const own = cook(line)
  const at = own.indexOf(' -- ')
  if (at < 0) return { xen: own.slice(0, LINE_BYTES), dom0: '' }
  return { xen: own.slice(0, at).slice(0, LINE_BYTES), dom0: own.slice(at + 3).replace(/^ +/, ' ') }
}

/** cmdline_cook: blanks in front go; from GRUB 2 the line has no file name. */
function cook(line: string): string {
  return line.replace(/^ +/, '')
}

/** Does systemd's ConditionKernelCommandLine=aem.uuid hold? Its words end at space, tab, newline and carriage return. */
export function bootsWithAem(kernelCommandLine: string): boolean {
  return kernelCommandLine.split(/[ \t\n\r]+/).some((word) => /^aem\.uuid(=|$)/.test(word))
}
