import {
  type BootEntry,
  type BootFile,
  type Flavour,
  joinGrubArguments,
  type ModuleRole,
} from './boot-entry.ts'
import { hasDeviceMark, uuidOfDevice } from './grub-device.ts'
import { readGrubPath } from './grub-path.ts'
import type { GrubWorld, LoadLine } from './grub-state.ts'
import { BOOT_DEVICE } from './grub-state.ts'
import { findModuleFault } from './launch-module.ts'

/** SINIT modules are told by name here; AEM's scripts load them by these patterns (etc/grub.d, 4.2.0 and TrenchBoot). */
function isSinitName(path: string): boolean {
  return /(?:sinit[^/]*|\/skl)\.bin$/i.test(path)
}

/** Options that GRUB takes off before the file name (GRUB 2.06, grub-core/loader/multiboot.c). */
const LOAD_OPTIONS = /^--(?:nounzip|quirk-)/

/** Options, file name and the arguments that are handed over. */
function splitLine(line: LoadLine): { options: readonly string[]; name: string | undefined; rest: string[] } {
  const end = line.args.findIndex((arg) => !LOAD_OPTIONS.test(arg))
  const at = end === -1 ? line.args.length : end
  return { options: line.args.slice(0, at), name: line.args[at], rest: line.args.slice(at + 1) }
}

/** What may load something in an entry of each kind, in the words of the script that writes it. */
const COMMANDS: Readonly<Record<Flavour | 'uefi', readonly string[]>> = {
  // qubes-antievilmaid 4.2.0, etc/grub.d/19_linux_xen_tboot, lines 125-150
  tboot: ['multiboot', 'module'],
  // TrenchBoot/qubes-antievilmaid 18a0a74, etc/grub.d/19_linux_xen_trenchboot, lines 129-168
  trenchboot: ['slaunch', 'slaunch_state', 'multiboot2', 'module2', 'slaunch_module'],
  uefi: ['slaunch', 'slaunch_state', 'chainloader', 'slaunch_module'],
}

const ROLES: Readonly<Record<BootEntry['flavour'], readonly ModuleRole[]>> = {
  tboot: ['xen', 'kernel', 'initramfs'],
  trenchboot: ['kernel', 'initramfs'],
  other: ['kernel', 'initramfs'],
}

/** What the lines of an entry load, by role. Module 0 is Xen under tboot (qubes-antievilmaid 4.2.0, etc/grub.d/19_linux_xen_tboot). */
export function describeLoads(
  loads: readonly LoadLine[],
  world: GrubWorld,
): Pick<BootEntry, 'flavour' | 'form' | 'efi' | 'launcher' | 'modules' | 'sinit' | 'problems' | 'isPartial'> {
  const kernel = loads.find((line) => line.command === 'multiboot' || line.command === 'multiboot2')
  const chained = kernel === undefined ? loads.find((line) => line.command === 'chainloader') : undefined
  const isSlaunch = loads.some((line) => line.command.startsWith('slaunch'))
  const isTboot = kernel !== undefined && /(?:^|\/)tboot[^/]*$/.test(splitLine(kernel).name ?? '')
  const flavour = isSlaunch ? 'trenchboot' : isTboot ? 'tboot' : 'other'
  const form = isSlaunch && chained !== undefined ? 'uefi' : 'bios'
  const untold = loads.filter(({ unknown }) => unknown.length > 0)
  const problems: string[] =
    flavour === 'other' ? [] : checkCommands(loads, form === 'uefi' ? 'uefi' : flavour)
  const read = (line: LoadLine, role: ModuleRole): BootFile[] => {
    const { options, name, rest } = splitLine(line)
    const found = readGrubPath(line, name, world)
    const commandLine = joinGrubArguments(rest)
    const fault = 'problem' in found ? found.problem : findLineFault(line.command, rest, commandLine)
    if (fault !== null) problems.push(fault)
    const odd =
      'path' in found && line.command === 'slaunch_module' ? findModuleFault(found.path, rest) : null
    if (odd !== null) problems.push(odd)
    if ('problem' in found) {
      untold.push(line)
      return []
    }
    const nounzip = options.includes('--nounzip')
    return [{ role, path: found.path, commandLine, nounzip, order: loads.indexOf(line) }]
  }
  const modules: BootFile[] = []
  const sinit: BootFile[] = []
  for (const line of loads) {
    const isModule = line.command === 'module' || line.command === 'module2'
    if (line.command === 'slaunch_module' || line.command === 'skl_module')
      sinit.push(...read(line, 'module'))
    else if (isModule && isSinitName(splitLine(line).name ?? '')) sinit.push(...read(line, 'module'))
    else if (isModule) modules.push(...read(line, ROLES[flavour][modules.length] ?? 'module'))
  }
  const launcher =
    kernel === undefined ? null : (read(kernel, flavour === 'tboot' ? 'mle' : 'xen')[0] ?? null)
  if (flavour !== 'other') problems.push(...findOtherDevice(loads, modules))
  const efi = form === 'uefi' && chained !== undefined ? readEfi(chained, problems) : null
  // Another system's entries are none of AEM's, whatever they load.
  const isOurs = flavour !== 'other' || loads.some(({ args }) => args.some((arg) => /^aem\.uuid=/.test(arg)))
  const isPartial = isOurs && (untold.length > 0 || (form === 'uefi' && efi === null))
  const part = isPartial ? ({ isPartial } as const) : {}
  return { flavour, form, efi, launcher, modules, sinit, problems, ...part }
}

/** What these load is handed to a kernel, and starts nothing itself. */
const HANDED_OVER = /^(?:module2?|slaunch(?:_state|_module)?|skl_module|initrd\w*|xen_module|devicetree)$/

/**
 * Does every kernel stand on `$root`, which is empty? GRUB opens no file then (GRUB 2.06, grub-core/kern/device.c,
 * grub_device_open). So it is in the submenus of AEM's UEFI form: what they take `root` from is not exported
 * (TrenchBoot/qubes-antievilmaid 18a0a74, etc/grub.d/19_linux_xen_trenchboot, line 137).
 */
export function findsNoKernel(loads: readonly LoadLine[]): boolean {
  const kernels = loads.filter(({ command }) => !HANDED_OVER.test(command))
  return kernels.length > 0 && kernels.every(({ root, args }) => root === '' && args[0]?.startsWith('/'))
}

/** Commands that the script does not write there, and an order in which GRUB would not load them. */
function checkCommands(loads: readonly LoadLine[], kind: keyof typeof COMMANDS): string[] {
  const problems: string[] = []
  const names = loads.map((line) => line.command)
  const count = (...wanted: readonly string[]): number => names.filter((name) => wanted.includes(name)).length
  const kernel = names.find((name) => name === 'multiboot' || name === 'multiboot2')
  // Each of the two loaders has a list of modules of its own (GRUB 2.06, grub-core/loader/multiboot.c, grub_cmd_module).
  const wrong = kernel === undefined ? null : kernel === 'multiboot' ? 'module2' : 'module'
  if (wrong !== null && names.includes(wrong))
    problems.push(`${wrong} after ${kernel}: GRUB does not load it`)
  for (const name of new Set(names))
    if (!COMMANDS[kind].includes(name) && name !== wrong)
      problems.push(`it runs "${name}", which AEM's scripts do not write`)
  if (count('multiboot', 'multiboot2', 'chainloader') > 1) problems.push('it loads more than one kernel')
  if (kind !== 'tboot' && names[0] !== 'slaunch') problems.push('it loads something before "slaunch"')
  if (kind === 'tboot' && names[0] !== 'multiboot') problems.push('it loads something before tboot')
  if (count('slaunch') > 1 || loads.some((line) => line.command === 'slaunch' && line.args.length > 0))
    problems.push('"slaunch" stands there as no script writes it')
  return problems
}

/** What no tool that writes a command line puts there, or what GRUB's versions hand over in different forms. */
function findLineFault(command: string, args: readonly string[], line: string): string | null {
  if (args.some(hasDeviceMark)) return `${command} hands over the name of a device, which only GRUB knows`
  if (/[^\x20-\x7e]/.test(line))
    return `the command line of ${command} holds a character that is not printable ASCII: ${showOdd(line)}`
  // Some versions leave \xHH as it is, others put a backslash before it (grub-core/lib/cmdline.c).
  if (args.some((arg) => /\\x[0-9A-Fa-f]{2}/.test(arg))) return `the command line of ${command} holds "\\x"`
  return null
}

/** The first one, as U+.... of the byte or character. */
function showOdd(line: string): string {
  const bytes = /[^\x20-\x7e]+/.exec(line)?.[0] ?? ''
  const text = /^[\x00-\xff]*$/.test(bytes) ? Buffer.from(bytes, 'latin1').toString('utf8') : bytes
  const code = text.codePointAt(0) ?? 0
  return `U+${code.toString(16).toUpperCase().padStart(4, '0')}`
}

/** 19_linux_xen_tboot writes one UUID into both (lines 117 and 134): what GRUB searches for and what the initramfs looks for. */
function findOtherDevice(loads: readonly LoadLine[], modules: readonly BootFile[]): string[] {
  const kernel = modules.find((file) => file.role === 'kernel')?.commandLine ?? ''
  const named = [...kernel.matchAll(/(?:^| )aem\.uuid=(\S*)/g)].map((match) => match[1]!.toLowerCase())
  const searched = loads.map((line) => (line.root === null ? null : uuidOfDevice(line.root)?.toLowerCase()))
  const other = searched.find((uuid) => uuid != null && named.some((name) => name !== uuid))
  return other === undefined
    ? []
    : [`it loads from the file system ${other}, and the kernel is told another one`]
}

function readEfi(line: LoadLine, problems: string[]): BootEntry['efi'] {
  const [path = '', section = '', ...more] = line.args
  if (line.root !== BOOT_DEVICE)
    problems.push('chainloader takes Xen from another device than GRUB started from')
  if (
    more.length > 0 ||
    !/^\/EFI\/qubes\/xen-[A-Za-z0-9._+-]+\.efi$/.test(path) ||
    !/^[\x21-\x7e]+$/.test(section)
  ) {
    problems.push('chainloader stands there as no script writes it')
    return null
  }
  return { xenPath: path, configPath: path.replace(/\.efi$/, '.cfg'), section }
}
