import { type BootEntry, listMeasuredFiles } from './boot-entry.ts'
import { checkEntry, type EntryChoice, none } from './grub-choose.ts'

/** What this boot says about itself. */
export type RunningBoot = {
  /** `/proc/cmdline`: what Xen handed to the dom0 kernel, without the line end. */
  readonly kernelCommandLine: string
  /** `uname -r`, to tell entries of several kernels apart. */
  readonly kernelRelease?: string | null
  /** `xen_version` of `xl info`, to tell entries of several Xen versions apart. */
  readonly xenVersion?: string | null
  /** `xen_commandline` of `xl info`, to tell entries with other options for Xen apart. */
  readonly xenCommandLine?: string | null
  /** How many modules the launch log of this boot lists, to tell an entry that loads one more apart. */
  readonly moduleCount?: number | null
}

/** What an entry must have, in words that follow "no entry of grub.cfg". */
type Condition = readonly [string, (entry: BootEntry) => boolean]

/** Arguments Xen itself may append for dom0 (Xen 4.17, xen/arch/x86/setup.c). */
const ADDED_BY_XEN = /^(?:noapic|acpi=\S+|acpi_skip_timer_override)$/

/** The word AEM puts first, for loaders that drop the first one. */
const PLACEHOLDER = 'placeholder'

/** GRUB and Linux separate words at ASCII blanks alone (Linux, lib/cmdline.c, next_arg; GRUB 2.06, script/yylex.l). */
function argumentsOf(commandLine: string): string[] {
  const words = commandLine.split(/[ \t\n]+/).filter((word) => word !== '')
  return words[0] === PLACEHOLDER ? words.slice(1) : words
}

/** What Xen keeps of its command line, and what it hands to dom0's kernel: the part behind ` -- ` (setup.c, kextra). */
function splitXenLine(entry: BootEntry): { readonly own: string[]; readonly forKernel: string[] } {
  const words = argumentsOf(fileOf(entry, 'xen')?.commandLine ?? '')
  const at = words.indexOf('--')
  return at === -1
    ? { own: words, forKernel: [] }
    : { own: words.slice(0, at), forKernel: words.slice(at + 1) }
}

function isSameCommandLine(entry: BootEntry, running: readonly string[]): boolean {
  const kernel = fileOf(entry, 'kernel')
  if (kernel === null) return false
  return isHanded([kernel.commandLine, ...splitXenLine(entry).forKernel].join(' '), running)
}

/** Is it, behind the placeholder, what the kernel was started with? */
function isHanded(commandLine: string, running: readonly string[]): boolean {
  const own = argumentsOf(commandLine)
  const added = running.slice(own.length)
  return own.every((word, index) => word === running[index]) && added.every((word) => ADDED_BY_XEN.test(word))
}

/** The same files with the same command lines are one boot, whatever the titles. */
function loadKey(entry: BootEntry): string {
  return JSON.stringify([entry.flavour, entry.launcher, entry.modules, entry.sinit])
}

/**
 * The entry this boot came from: same kernel command line (with its aem.uuid), kernel release, Xen version and options, and
 * number of measured modules, as far as this boot tells them. No condition is dropped where it fits none: then the entry of
 * this boot is not in the file any more. Entries that load the same count as one; what else one of them does is told by
 * listOddEntries.
 */
export function decideBootedEntry(entries: readonly BootEntry[], running: RunningBoot): EntryChoice {
  const words = argumentsOf(running.kernelCommandLine)
  const { kernelRelease, xenVersion, xenCommandLine, moduleCount } = running
  const conditions: Condition[] = [
    ['has the command line this kernel was started with', (entry) => isSameCommandLine(entry, words)],
  ]
  if (kernelRelease)
    conditions.push([
      `starts the kernel of this boot (${kernelRelease})`,
      (entry) => isOfVersion(entry, 'kernel', kernelRelease),
    ])
  if (xenVersion)
    conditions.push([
      `loads the Xen of this boot (${xenVersion})`,
      (entry) => isOfVersion(entry, 'xen', xenVersion),
    ])
  if (xenCommandLine)
    conditions.push(['has the command line of this Xen', (entry) => hasXenCommandLine(entry, xenCommandLine)])
  if (moduleCount != null)
    conditions.push([
      `loads the ${moduleCount} modules that this boot measured`,
      (entry) => listMeasuredFiles(entry, {}).length === moduleCount,
    ])
  let matches = entries.filter(({ startsNothing }) => startsNothing !== true)
  for (const [what, fits] of conditions) {
    matches = matches.filter(fits)
    if (matches.length === 0) return none(`no entry of grub.cfg ${what}`)
  }
  const distinct = new Map(matches.map((entry) => [loadKey(entry), entry]))
  const first = matches.find(({ problems }) => problems.length === 0) ?? matches[0]
  if (distinct.size === 1 && first !== undefined) return checkEntry(first)
  const titles = [...distinct.values()].map((entry) => `"${entry.titlePath.join(' > ')}"`)
  return none(`several entries could have been booted: ${titles.join(', ')}`)
}

function fileOf(entry: BootEntry, role: 'kernel' | 'xen') {
  return [entry.launcher, ...entry.modules].find((file) => file?.role === role) ?? null
}

/**
 * Entries that this boot may have come from and that do more than AEM's scripts write, in words. The registers do not tell them from
 * AEM's own: names of files are not measured, and neither is what GRUB runs. So the kernel's command line alone counts, or that
 * it cannot be told, whatever the files are called and whether the entry looks like one of AEM's.
 */
export function listOddEntries(
  entries: readonly BootEntry[],
  { kernelCommandLine }: Pick<RunningBoot, 'kernelCommandLine'>,
): readonly string[] {
  const words = argumentsOf(kernelCommandLine)
  if (!words.some((word) => word.startsWith('aem.uuid='))) return []
  return entries.flatMap((entry) => {
    const { flavour, launcher, modules, startsNothing } = entry
    const problem =
      entry.problems[0] ?? (flavour === 'other' ? 'it is not written as AEM writes its own' : null)
    if (startsNothing !== undefined || problem === null) return []
    const files = launcher === null ? modules : [launcher, ...modules]
    const isUntold = entry.isPartial === true || (entry.form === 'uefi' && modules.length === 0)
    const isSame =
      isUntold || isSameCommandLine(entry, words) || files.some((file) => isHanded(file.commandLine, words))
    const place = entry.file === undefined ? '' : ` of ${entry.file}`
    return isSame ? [`"${entry.titlePath.join(' > ')}"${place}: ${problem}`] : []
  })
}

/** Its file name carries the version. */
function isOfVersion(entry: BootEntry, role: 'kernel' | 'xen', version: string): boolean {
  const path = fileOf(entry, role)?.path
  const ends = ['', '.gz', '.efi', '~debug.gz', '-debug.gz']
  return ends.some((end) => path?.endsWith(`-${version}${end}`) === true)
}

function hasXenCommandLine(entry: BootEntry, running: string): boolean {
  return splitXenLine(entry).own.join(' ') === argumentsOf(running).join(' ')
}
