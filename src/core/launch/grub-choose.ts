import { type BootEntry, listMeasuredFiles } from './boot-entry.ts'
import { type GrubConfig, openItem, readEntry } from './grub-cfg.ts'
import { findDefault, splitDefault } from './grub-default.ts'
import { type GrubState, lookUp } from './grub-state.ts'

/** An entry, or why it cannot be told which one it is. */
export type EntryChoice =
  | { readonly entry: BootEntry; readonly why: null }
  | { readonly entry: null; readonly why: string }

const MAX_MENU_DEPTH = 8

function none(why: string): EntryChoice {
  return { entry: null, why }
}

/**
 * The entry GRUB boots when nobody presses a key: `default` after the file ran, which is next_entry or saved_entry of
 * grubenv or a set value, taken apart at `>` for submenus (GRUB 2.06, grub-core/normal/menu.c). With `fallback` another
 * entry boots where that one fails, so nothing is said then.
 */
export function decideNextEntry(config: GrubConfig): EntryChoice {
  const { state } = config
  if (config.problems.length > 0) return none(config.problems[0]!)
  if (lookUp(state.variables, 'fallback') !== '') return none('grub.cfg names a fallback entry')
  // Then a submenu would get the whole of it (grub_menu_execute_entry).
  if (state.exported.has('default')) return none('grub.cfg exports "default", which no script does')
  return chooseFrom(state, [])
}

function chooseFrom(state: GrubState, above: readonly string[]): EntryChoice {
  if (state.menu.length === 0) return none('the menu is empty')
  if (above.length > MAX_MENU_DEPTH) return none('submenus are nested too deeply')
  const wanted = lookUp(state.variables, 'default')
  if (wanted === null) return none('the value of "default" in grub.cfg cannot be evaluated')
  const found = findDefault(state.menu, wanted)
  if (typeof found === 'string') return none(found)
  if (found.item.kind === 'entry') return checkEntry(readEntry(state, found.item, above))
  const nested = openItem(state, found.item, splitDefault(wanted)[1])
  const [problem] = [...nested.problems, ...nested.foreign.map((name) => `a submenu runs "${name}"`)]
  if (problem !== undefined) return none(problem)
  if (nested.loads.length > 0) return none('a submenu loads something itself')
  return chooseFrom(nested, [...above, found.item.title])
}

function checkEntry(entry: BootEntry): EntryChoice {
  if (entry.problems.length > 0) return none(`"${entry.title}": ${entry.problems[0]}`)
  return { entry, why: null }
}

/** What this boot says about itself. */
export type RunningBoot = {
  /** `/proc/cmdline`: what Xen handed to the dom0 kernel. */
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

/** Arguments Xen itself may append for dom0 (Xen 4.17, xen/arch/x86/setup.c). */
const ADDED_BY_XEN = /^(?:noapic|acpi=\S+|acpi_skip_timer_override)$/

/** The word AEM puts first, for loaders that drop the first one. */
const PLACEHOLDER = 'placeholder'

function argumentsOf(commandLine: string): string[] {
  const words = commandLine.split(/\s+/).filter((word) => word !== '')
  return words[0] === PLACEHOLDER ? words.slice(1) : words
}

function isSameCommandLine(entry: BootEntry, running: readonly string[]): boolean {
  const kernel = entry.modules.find((file) => file.role === 'kernel')
  if (kernel === undefined) return false
  const own = argumentsOf(kernel.commandLine)
  const added = running.slice(own.length)
  return own.every((word, index) => word === running[index]) && added.every((word) => ADDED_BY_XEN.test(word))
}

/** The same files with the same command lines are one boot, whatever the titles. */
function loadKey(entry: BootEntry): string {
  return JSON.stringify([entry.flavour, entry.launcher, entry.modules, entry.sinit])
}

/**
 * The entry this boot came from: same kernel command line (with its aem.uuid); of several such, those that also fit the
 * kernel release, Xen's version and options, and the number of measured modules. Entries that load the same count as one.
 */
export function decideBootedEntry(entries: readonly BootEntry[], running: RunningBoot): EntryChoice {
  const words = argumentsOf(running.kernelCommandLine)
  let matches = entries.filter((entry) => isSameCommandLine(entry, words))
  if (matches.length === 0)
    return none('no entry of grub.cfg has the command line this kernel was started with')
  const { kernelRelease, xenVersion, xenCommandLine, moduleCount } = running
  if (kernelRelease) matches = narrow(matches, (entry) => isOfVersion(entry, 'kernel', kernelRelease))
  if (xenVersion) matches = narrow(matches, (entry) => isOfVersion(entry, 'xen', xenVersion))
  if (xenCommandLine) matches = narrow(matches, (entry) => hasXenCommandLine(entry, xenCommandLine))
  if (moduleCount != null)
    matches = narrow(matches, (entry) => listMeasuredFiles(entry, {}).length === moduleCount)
  const distinct = new Map(matches.map((entry) => [loadKey(entry), entry]))
  const [first] = matches
  if (distinct.size === 1 && first !== undefined) return checkEntry(first)
  const titles = [...distinct.values()].map((entry) => `"${entry.titlePath.join(' > ')}"`)
  return none(`several entries could have been booted: ${titles.join(', ')}`)
}

/** Keeps the entries that fit, unless that would leave none. */
function narrow(entries: readonly BootEntry[], fits: (entry: BootEntry) => boolean): BootEntry[] {
  const kept = entries.filter(fits)
  return kept.length > 0 ? kept : [...entries]
}

function fileOf(entry: BootEntry, role: 'kernel' | 'xen') {
  return [entry.launcher, ...entry.modules].find((file) => file?.role === role) ?? null
}

/** Its file name carries the version. */
function isOfVersion(entry: BootEntry, role: 'kernel' | 'xen', version: string): boolean {
  const path = fileOf(entry, role)?.path
  return [`-${version}`, `-${version}.gz`, `-${version}.efi`].some((end) => path?.endsWith(end) === true)
}

function hasXenCommandLine(entry: BootEntry, running: string): boolean {
  const own = argumentsOf(fileOf(entry, 'xen')?.commandLine ?? '')
  return own.join(' ') === argumentsOf(running).join(' ')
}
