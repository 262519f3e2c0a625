import type { BootEntry } from './boot-entry.ts'
import { type GrubConfig, openItem, readEntry } from './grub-cfg.ts'
import { findDefault, splitDefault } from './grub-default.ts'
import { type GrubState, lookUp } from './grub-state.ts'

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

/** An entry is chosen only where everything in it could be read. */
export function checkEntry(entry: BootEntry): EntryChoice {
  if (entry.problems.length > 0) return none(`"${entry.title}": ${entry.problems[0]}`)
  return { entry, why: null }
}
