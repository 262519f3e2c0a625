import { Failure } from '../failure.ts'
import type { Bulletin, Component } from './bulletin.ts'

/** Facts of bulletins that come with the program, so that dom0 needs no bulletin file. */
export type Catalogue = {
  /** Number of the newest bulletin that was looked at, relevant or not. */
  readonly newest: number
  /** Date of that bulletin, ISO 8601: how old the catalogue is. */
  readonly date: string
  /** Ascending by number. */
  readonly bulletins: readonly Bulletin[]
}

/** Components whose change can move what Anti Evil Maid measures, told or not told (22, 24 and 25 have no notice). */
const MEASURED: ReadonlySet<Component> = new Set(['xen', 'kernel', 'microcode', 'firmware', 'initramfs-tool'])

/** Whether a bulletin concerns what Anti Evil Maid measures in dom0. */
export const isAemRelevant = (bulletin: Bulletin): boolean =>
  bulletin.reseal !== null ||
  bulletin.dom0.some(({ packages }) => packages.some(({ component }) => MEASURED.has(component)))

/** A catalogue of given bulletins; tools/generate-catalogue.mjs makes the built-in one with it. */
export const makeCatalogue = (bulletins: readonly Bulletin[]): Catalogue => {
  const ascending = bulletins.toSorted((a, b) => a.id - b.id)
  const newest = ascending.at(-1)
  if (!newest) throw new Error('a catalogue needs at least one bulletin')
  return { newest: newest.id, date: newest.date, bulletins: ascending.filter(isAemRelevant) }
}

/** The catalogue with a bulletin of the user's in it; it takes the place of one with the same number. */
export const addToCatalogue = (catalogue: Catalogue, bulletin: Bulletin): Catalogue => {
  const others = catalogue.bulletins.filter(({ id }) => id !== bulletin.id)
  return { ...catalogue, bulletins: [...others, bulletin].toSorted((a, b) => a.id - b.id) }
}

/** `103`, `QSB-103`, `qsb-103`, `#103`, `qsb-103-2024`; null for anything else (a file name). */
export const parseBulletinId = (text: string): number | null => {
  const match = /^(?:QSB[- ]?)?#?0{0,3}([1-9]\d{0,3})(?:-20\d\d)?$/i.exec(text.trim())
  return match ? Number(match[1]) : null
}

/**
 * A bulletin of the catalogue.
 * @throws Failure bulletin-newer-than-catalogue (the normal case for a fresh one: give its file),
 * bulletin-not-in-catalogue (older, but it changes nothing that is measured).
 */
export const findBulletin = (catalogue: Catalogue, id: number): Bulletin => {
  const found = catalogue.bulletins.find((each) => each.id === id)
  if (found) return found
  const isNewer = id > catalogue.newest
  throw new Failure({
    code: isNewer ? 'bulletin-newer-than-catalogue' : 'bulletin-not-in-catalogue',
    what: isNewer
      ? `QSB-${id} is newer than the built-in catalogue, which ends with QSB-${catalogue.newest} of ${catalogue.date}.`
      : `QSB-${id} is not in the built-in catalogue.`,
    why: isNewer
      ? 'A bulletin that has just been published is not part of an older program.'
      : 'The catalogue holds the bulletins that change what Anti Evil Maid measures; this one does not.',
    next: `Copy the bulletin with its .sig files into dom0 and give its path: aem-reseal bulletin show FILE`,
  })
}
