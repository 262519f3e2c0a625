import { readGrubPath } from './grub-path.ts'
import type { LoadLine } from './grub-state.ts'
import type { ImageKind } from './image-kind.ts'

export type ModuleRole = 'mle' | 'xen' | 'kernel' | 'initramfs' | 'module'

/** A file that GRUB loads, with the command line it hands over. */
export type BootFile = {
  readonly role: ModuleRole
  /** As GRUB names it, from the root of the boot device: `/xen-4.17.4.gz`. */
  readonly path: string
  readonly commandLine: string
  /** `--nounzip`: loaded as stored. */
  readonly nounzip: boolean
  /** Place among the entry's lines that load something. */
  readonly order: number
}

export type BootEntry = {
  readonly title: string
  /** Titles from the top menu down to this entry. */
  readonly titlePath: readonly string[]
  readonly id: string
  readonly flavour: 'tboot' | 'trenchboot' | 'other'
  /** tboot itself, or Xen under TrenchBoot. */
  readonly launcher: BootFile | null
  /** Modules in load order, without those that are SINIT modules by their name. */
  readonly modules: readonly BootFile[]
  readonly sinit: readonly BootFile[]
  readonly insmods: readonly string[]
  readonly problems: readonly string[]
}

/**
 * GRUB's command line for a loaded file: arguments joined by single spaces; backslash and quotes get a
 * backslash, an argument with a space gets double quotes (GRUB 2.06, grub-core/lib/cmdline.c). The file name is not part of it.
 */
export function joinGrubArguments(args: readonly string[]): string {
  return args
    .map((arg) => {
      const escaped = arg.replace(/[\\'"]/g, '\\$&')
      return arg.includes(' ') ? `"${escaped}"` : escaped
    })
    .join(' ')
}

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

const TBOOT_ROLES: readonly ModuleRole[] = ['xen', 'kernel', 'initramfs']
const XEN_ROLES: readonly ModuleRole[] = ['kernel', 'initramfs']

/** What the lines of an entry load, by role. Module 0 is Xen under tboot (qubes-antievilmaid 4.2.0, etc/grub.d/19_linux_xen_tboot). */
export function describeLoads(
  loads: readonly LoadLine[],
): Pick<BootEntry, 'flavour' | 'launcher' | 'modules' | 'sinit' | 'problems'> {
  const kernel = loads.find((line) => line.command === 'multiboot' || line.command === 'multiboot2')
  const isSlaunch = loads.some((line) => line.command.startsWith('slaunch'))
  const isTboot = kernel !== undefined && /(?:^|\/)tboot[^/]*$/.test(splitLine(kernel).name ?? '')
  const flavour = isSlaunch ? 'trenchboot' : isTboot ? 'tboot' : 'other'
  const roles = flavour === 'tboot' ? TBOOT_ROLES : XEN_ROLES
  const problems: string[] = []
  const read = (line: LoadLine, role: ModuleRole): BootFile[] => {
    const { options, name, rest } = splitLine(line)
    const found = readGrubPath(line, name)
    if ('problem' in found) problems.push(found.problem)
    if ('problem' in found) return []
    const nounzip = options.includes('--nounzip')
    const order = loads.indexOf(line)
    return [{ role, path: found.path, commandLine: joinGrubArguments(rest), nounzip, order }]
  }
  const modules: BootFile[] = []
  const sinit: BootFile[] = []
  for (const line of loads) {
    const isModule = line.command === 'module' || line.command === 'module2'
    if (line.command === 'slaunch_module' || line.command === 'skl_module')
      sinit.push(...read(line, 'module'))
    else if (isModule && isSinitName(splitLine(line).name ?? '')) sinit.push(...read(line, 'module'))
    else if (isModule) modules.push(...read(line, roles[modules.length] ?? 'module'))
  }
  const launcher =
    kernel === undefined ? null : (read(kernel, flavour === 'tboot' ? 'mle' : 'xen')[0] ?? null)
  return { flavour, launcher, modules, sinit, problems }
}

/**
 * The files a launch measures as modules, in order. tboot takes SINIT modules and launch policy data out of its list by
 * their content, wherever they stand but in the first place (tboot 1.10.5, common/loader.c, remove_txt_modules); where
 * the content is not known, the name decides.
 * @param kinds what is known of the files' content, by path
 */
export function listMeasuredFiles(
  entry: BootEntry,
  kinds: Readonly<Record<string, { kind: ImageKind }>>,
): BootFile[] {
  if (entry.flavour !== 'tboot') return [...entry.modules]
  const all = [...entry.modules, ...entry.sinit].sort((a, b) => a.order - b.order)
  return all.filter((file, index) => {
    const kind = kinds[file.path]?.kind
    const isRemoved =
      kind === undefined ? entry.sinit.includes(file) : kind === 'acm' || kind === 'policy-data'
    return index === 0 || !isRemoved
  })
}
