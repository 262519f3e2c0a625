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

function toFile(line: LoadLine, role: ModuleRole, order: number): BootFile | null {
  const nounzip = line.args[0] === '--nounzip'
  const args = line.args.filter((arg, index) => !(index === 0 && nounzip) && !arg.startsWith('--quirk'))
  const path = args[0]?.replace(/^\([^)]*\)/, '')
  if (path === undefined || path === '') return null
  return { role, path, commandLine: joinGrubArguments(args.slice(1)), nounzip, order }
}

const TBOOT_ROLES: readonly ModuleRole[] = ['xen', 'kernel', 'initramfs']
const XEN_ROLES: readonly ModuleRole[] = ['kernel', 'initramfs']

/** What the lines of an entry load, by role. Module 0 is Xen under tboot (qubes-antievilmaid 4.2.0, etc/grub.d/19_linux_xen_tboot). */
export function describeLoads(
  loads: readonly LoadLine[],
): Pick<BootEntry, 'flavour' | 'launcher' | 'modules' | 'sinit'> {
  const kernel = loads.find((line) => line.command === 'multiboot' || line.command === 'multiboot2')
  const isSlaunch = loads.some((line) => line.command.startsWith('slaunch'))
  const isTboot = /(?:^|\/)tboot[^/]*$/.test(kernel?.args.find((arg) => !arg.startsWith('--')) ?? '')
  const flavour = isSlaunch ? 'trenchboot' : isTboot ? 'tboot' : 'other'
  const roles = flavour === 'tboot' ? TBOOT_ROLES : XEN_ROLES
  const modules: BootFile[] = []
  const sinit: BootFile[] = []
  for (const [order, line] of loads.entries()) {
    if (line.command === 'slaunch_module' || line.command === 'skl_module')
      pushFile(sinit, toFile(line, 'module', order))
    if (line.command !== 'module' && line.command !== 'module2') continue
    const target = line.args.some((arg, index) => index < 2 && isSinitName(arg)) ? sinit : modules
    pushFile(target, toFile(line, target === sinit ? 'module' : (roles[modules.length] ?? 'module'), order))
  }
  const launcher =
    kernel === undefined ? null : toFile(kernel, flavour === 'tboot' ? 'mle' : 'xen', loads.indexOf(kernel))
  return { flavour, launcher, modules, sinit }
}

function pushFile(files: BootFile[], file: BootFile | null): void {
  if (file !== null) files.push(file)
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
