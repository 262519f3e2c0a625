import type { BootEntry } from './boot-entry.ts'
import { type GrubConfig, openItem, readEntry } from './grub-cfg.ts'
import type { GrubState, MenuItem } from './grub-state.ts'

/** An entry, or why it cannot be told which one it is. */
export type EntryChoice =
  | { readonly entry: BootEntry; readonly why: null }
  | { readonly entry: null; readonly why: string }

const MAX_MENU_DEPTH = 8

export function none(why: string): EntryChoice {
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

/** An entry is chosen only where everything in it could be read. */
export function checkEntry(entry: BootEntry): EntryChoice {
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
