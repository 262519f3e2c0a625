import type { MenuItem } from './grub-state.ts'

/** GRUB 2.06, grub-core/kern/misc.c, grub_isspace. */
const BLANK = /[\n\r \t]/

/**
 * The item of a menu that a value of `default` names, in every GRUB that Qubes OS may have: as GRUB 2.06 itself
 * chooses, and as with patch 0108 of QubesOS/qubes-grub2; or why it cannot be told. What names no item is the first
 * (grub-core/normal/menu.c, run_menu).
 * @param value up to a single `>` it is for this menu
 */
export function findDefault(menu: readonly MenuItem[], value: string): { item: MenuItem } | string {
  if (/^[\n\r \t]*(?:0[0-9xX]|[0-9]{9})/.test(value)) return `the default "${value}" is an odd number`
  const nameless = menu.find((item) => !item.isNamed)
  if (nameless !== undefined) return `an entry has a name that depends on ${nameless.uncertain}`
  const index = chooseAlike(menu, value)
  if (typeof index === 'string') return index
  const item = menu[index]!
  const isNamed = isEqual(item.title, value) || isEqual(item.id, value)
  const doubtful = menu.slice(isNamed ? index : 0, index + 1).find((one) => one.uncertain !== null)
  if (doubtful !== undefined)
    return `whether "${doubtful.title}" is in the menu depends on ${doubtful.uncertain}`
  // An entry that may be missing may have the name too.
  const certain = menu.filter((one) => one.uncertain === null)
  const again = chooseAlike(certain, value)
  if (typeof again === 'string') return again
  if (certain[again] !== item)
    return `which entry "${value}" is depends on a condition that cannot be evaluated`
  return { item }
}

function chooseAlike(menu: readonly MenuItem[], value: string): number | string {
  const [plain, patched] = [choosePlain(menu, value), choosePatched(menu, value)]
  const inRange = (index: number): number => (index >= 0 && index < menu.length ? index : 0)
  if (inRange(plain) === inRange(patched)) return inRange(plain)
  return `GRUB's versions differ on which entry the default "${value}" is`
}

/** GRUB 2.06, get_entry_number: a value that begins with a number is that number; else the first with that title or id. */
function choosePlain(menu: readonly MenuItem[], value: string): number {
  const number = /^[\n\r \t]*([0-9]+)/.exec(value)?.[1]
  if (number !== undefined) return Number(number)
  return menu.findIndex((item) => isEqual(item.title, value) || isEqual(item.id, value))
}

/** Patch 0108, get_entry_number_helper: id up to the first blank, then title, then a number and nothing else. */
function choosePatched(menu: readonly MenuItem[], value: string): number {
  const byId = menu.findIndex((item) => isEqualUpTo(item.id, value))
  // With something left behind the blank there is no such entry (get_entry_number).
  if (byId !== -1) return BLANK.test(value) ? -1 : byId
  const byTitle = menu.findIndex((item) => isEqual(item.title, value))
  if (byTitle !== -1) return byTitle
  const number = /^[\n\r \t]*([0-9]+)$/.exec(value)?.[1]
  return number === undefined ? -1 : Number(number)
}

/** menuentry_eq without a limit: the whole name, `>>` standing for `>`, up to a single `>`. */
function isEqual(name: string, value: string): boolean {
  const [spec] = splitDefault(value)
  return spec !== '' && name === spec
}

/** menuentry_eq of patch 0108 with a limit: the value counts up to its first blank; of one character it never fits there. */
function isEqualUpTo(name: string, value: string): boolean {
  const blank = value.search(BLANK)
  if (blank === -1) return isEqual(name, value)
  const first = value.slice(0, blank)
  return isEqual(name, first) && (first.length > 1 || splitDefault(first)[1] !== null)
}

/** The part before the first single `>`, with `>>` read as `>`, and what follows it; null where no `>` is. */
export function splitDefault(value: string): [string, string | null] {
  const match = /^((?:[^>]|>>)*)(?:>([\s\S]*))?$/.exec(value)
  return [(match?.[1] ?? value).replaceAll('>>', '>'), match?.[2] ?? null]
}
