import { type BootEntry, listMeasuredFiles } from './boot-entry.ts'
import { type GrubConfig, openItem, readEntry } from './grub-cfg.ts'
import type { GrubState, MenuItem } from './grub-state.ts'

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
 * grubenv or a set value, taken apart at `>` for submenus; a number counts from 0; what matches nothing is the
 * first entry (GRUB 2.06, grub-core/normal/menu.c).
 */
export function decideNextEntry(config: GrubConfig): EntryChoice {
  if (config.problems.length > 0) return none(config.problems[0]!)
  const value = config.state.variables.get('default')
  if (value === null) return none('the value of "default" in grub.cfg cannot be evaluated')
  return chooseFrom(config.state, value ?? '', [])
}

function chooseFrom(state: GrubState, wanted: string, above: readonly string[]): EntryChoice {
  if (state.menu.length === 0) return none('the menu is empty')
  if (above.length > MAX_MENU_DEPTH) return none('submenus are nested too deeply')
  const [spec, rest] = splitDefault(wanted)
  const found = findItem(state.menu, spec)
  if (typeof found === 'string') return none(found)
  if (found.item.uncertain !== null) return none(`"${found.item.title}" depends on ${found.item.uncertain}`)
  if (found.item.kind === 'entry') return checkEntry(readEntry(state, found.item, above))
  const nested = openItem(state, found.item)
  if (nested.problems.length > 0) return none(nested.problems[0]!)
  return chooseFrom(nested, rest, [...above, found.item.title])
}

function checkEntry(entry: BootEntry): EntryChoice {
  if (entry.problems.length > 0) return none(`"${entry.title}": ${entry.problems[0]}`)
  return { entry, why: null }
}

/** The part before the first single `>`, with `>>` read as `>`, and what follows it. */
function splitDefault(value: string): [string, string] {
  const match = /^((?:[^>]|>>)*)(?:>([\s\S]*))?$/.exec(value)
  return [(match?.[1] ?? value).replaceAll('>>', '>'), match?.[2] ?? '']
}

function findItem(menu: readonly MenuItem[], spec: string): { item: MenuItem } | string {
  const numeric = /^\s*(\d+)/.exec(spec)
  if (numeric) {
    // GRUB up to 2.06 reads a title that begins with a digit as that number; later ones look for the title.
    const isTitle = menu.some((item) => item.title === spec || item.id === spec)
    const isIndex = Number(numeric[1]) > 0 && Number(numeric[1]) < menu.length
    if (numeric[0] !== spec && (isTitle || isIndex))
      return `the default "${spec}" begins with a number, and GRUB's versions differ on it`
    return pickNumber(menu, Number(numeric[1]))
  }
  const item = spec === '' ? undefined : menu.find((one) => one.title === spec || one.id === spec)
  return item === undefined ? pickNumber(menu, 0) : { item }
}

function pickNumber(menu: readonly MenuItem[], index: number): { item: MenuItem } | string {
  const at = index < menu.length ? index : 0
  const uncertain = menu.slice(0, at + 1).find((item) => item.uncertain !== null)
  if (uncertain) return `whether "${uncertain.title}" is in the menu depends on ${uncertain.uncertain}`
  return { item: menu[at]! }
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
