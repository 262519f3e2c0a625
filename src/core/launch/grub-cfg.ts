import type { BootEntry } from './boot-entry.ts'
import { runCommands } from './grub-eval.ts'
import { describeLoads, findsNoKernel } from './grub-loads.ts'
import { parseGrubScript } from './grub-parse.ts'
import {
  beyondLimits,
  type GrubState,
  type GrubWorld,
  MAIN_FILE,
  MAX_MENU_ITEMS,
  MAX_STEPS,
  type MenuItem,
  nestedState,
  newGrubState,
} from './grub-state.ts'

/** Submenus within submenus: AEM writes two levels, Fedora three. */
const MAX_MENU_DEPTH = 8
/** AEM's and Qubes's have some 20 KB. */
const MAX_FILE_LENGTH = 1024 * 1024

/** A grub.cfg after GRUB would have read it; `state` is for the functions of this module. */
export type GrubConfig = {
  readonly state: GrubState
  /** Every entry of every submenu. */
  readonly entries: readonly BootEntry[]
  readonly problems: readonly string[]
  /** Paths on the boot device that the file asks for and that `world.files` does not hold: to look for, then read again. */
  readonly wanted: readonly string[]
}

/**
 * Reads a grub.cfg as GRUB 2.06 of Qubes OS does, for the variables, conditions, functions and files beside it that its
 * `grub2-mkconfig` and AEM's 19_linux_xen_tboot write:
 *
 *     menuentry 'AEM Qubes, with Xen hypervisor' --class qubes $menuentry_id_option 'xen-gnulinux-simple-...' {
 *         multiboot  /tboot.gz placeholder logging=memory,serial
 *         module     /xen-4.17.4.gz placeholder console=none dom0_mem=min:1024M ${xen_rm_opts}
 *         module     /vmlinuz-6.6.36-1.qubes.fc37.x86_64 placeholder root=/dev/mapper/q-root ro aem.uuid=...
 *         module     /initramfs-6.6.36-1.qubes.fc37.x86_64.img
 *         module     /SNB_IVB_SINIT_20190708_PW.BIN
 *     }
 *
 * @param text one character for each byte (latin1), as GRUB knows no characters
 * @throws Failure `grub-cfg-unreadable` when GRUB could not read it either, or no tool writes such a file
 */
export function parseGrubConfig(text: string, world: GrubWorld): GrubConfig {
  if (text.length > MAX_FILE_LENGTH) throw beyondLimits(`has ${text.length} bytes`)
  const state = newGrubState(world)
  runCommands(state, parseGrubScript(text))
  const entries = collectEntries(state, [], { items: 0, steps: 0 }, isWhole(state))
  return { state, entries, problems: state.problems, wanted: [...state.wanted] }
}

/** All menus together: each item runs commands of its own. */
type Work = { items: number; steps: number }

/** Everything in it was evaluated: no variable can have a value that is not known here. */
function isWhole({ problems, foreign }: GrubState): boolean {
  return problems.length === 0 && foreign.length === 0
}

/** @param isSure everything above was evaluated */
function collectEntries(
  state: GrubState,
  above: readonly string[],
  work: Work,
  isSure: boolean,
): BootEntry[] {
  if (above.length > MAX_MENU_DEPTH) return []
  return state.menu.flatMap((item) => {
    const nested = openItem(state, item)
    work.items += 1
    work.steps += nested.steps - state.steps
    if (work.items > MAX_MENU_ITEMS || work.steps > MAX_STEPS) throw beyondLimits('has menus without end')
    if (item.kind === 'submenu')
      return collectEntries(nested, [...above, item.title], work, isSure && isWhole(nested))
    const entry = toEntry(nested, item, above)
    return [isWhole(nested) && findsNoKernel(nested.loads) ? { ...entry, startsNothing: isSure } : entry]
  })
}

/**
 * Runs the body of an entry or submenu.
 * @param rest of the default entry's name, for the menu within
 */
export function openItem(state: GrubState, item: MenuItem, rest: string | null = null): GrubState {
  const nested = nestedState(state, item.kind)
  if (rest) nested.variables.set('default', rest)
  runCommands(nested, item.body)
  return nested
}

export function readEntry(state: GrubState, item: MenuItem, above: readonly string[]): BootEntry {
  return toEntry(openItem(state, item), item, above)
}

function toEntry(nested: GrubState, item: MenuItem, above: readonly string[]): BootEntry {
  const loads = describeLoads(nested.loads, nested.world)
  const foreign = loads.flavour === 'other' ? [] : nested.foreign
  return {
    title: toShownText(item.title),
    titlePath: [...above, item.title].map(toShownText),
    id: toShownText(item.id),
    ...loads,
    insmods: [...nested.insmods],
    ...(item.file === MAIN_FILE ? {} : { file: item.file }),
    problems: [
      ...nested.problems,
      ...loads.problems,
      ...foreign.map((name) => `it runs "${name}", which AEM's scripts do not write`),
    ],
  }
}

/** Bytes as people read them: UTF-8. */
function toShownText(bytes: string): string {
  return /^[\x00-\xff]*$/.test(bytes) ? Buffer.from(bytes, 'latin1').toString('utf8') : bytes
}

/**
 * An entry that AEM wrote: it launches measured and names the boot device to the initramfs; in the UEFI form that name lies
 * in xen.cfg, not in grub.cfg.
 */
export function isAemEntry(entry: BootEntry): boolean {
  const namesDevice = entry.modules.some((file) => /(?:^| )aem\.uuid=/.test(file.commandLine))
  return entry.flavour !== 'other' && (entry.form === 'uefi' || namesDevice)
}

export function listAemEntries(config: GrubConfig): BootEntry[] {
  return config.entries.filter(isAemEntry)
}
