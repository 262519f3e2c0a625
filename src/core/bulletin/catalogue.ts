import { coreFailure } from '../failures.ts'
import { compareVersions } from '../package/evr.ts'
import type { Bulletin, Component } from './bulletin.ts'
import { demandsFor, mainRelease } from './demand.ts'
import type { GivenBulletin } from './given-bulletin.ts'

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

/**
 * The catalogue as it was when a bulletin of it was the newest.
 * @throws Error where the catalogue does not hold that bulletin
 */
export const catalogueUntil = ({ bulletins }: Catalogue, newest: number): Catalogue => {
  const last = bulletins.find(({ id }) => id === newest)
  if (!last) throw new Error(`no bulletin ${newest} in the catalogue`)
  return { newest, date: last.date, bulletins: bulletins.filter(({ id }) => id <= newest) }
}

/**
 * The catalogue with a bulletin of the user's in it. One with the same number stays beside it: what a revision leaves
 * out is not taken back by that (makeBulletinList combines both).
 */
export const addToCatalogue = (catalogue: Catalogue, bulletin: Bulletin): Catalogue => ({
  ...catalogue,
  bulletins: [...catalogue.bulletins, bulletin].toSorted((a, b) => a.id - b.id),
})

/**
 * The bulletins that may vouch for a version which an earlier one does not list. A file with one signature of two may
 * raise what is asked, but vouches for nothing.
 * @param catalogue Without the user's file.
 */
export const evidenceOf = (
  { bulletins }: Catalogue,
  file: Bulletin,
  approval: GivenBulletin['approval'],
): readonly Bulletin[] => (approval === 'approved' ? [...bulletins, file] : bulletins)

/** Whether any bulletin asks something of dom0 in a release; of another one nothing can be said. */
export const knowsRelease = ({ bulletins }: Catalogue, release: string): boolean =>
  bulletins.some((bulletin) => demandsFor(bulletin, release) !== null)

/**
 * Bulletins that came after the last one that names a release, and name later releases only: either they do not
 * concern it, or it is no longer supported. The bulletins do not tell which.
 * @returns their numbers, ascending; empty where the release is not known
 */
export const laterReleasesOnly = (catalogue: Catalogue, release: string): number[] => {
  const last = catalogue.bulletins.findLast((bulletin) => demandsFor(bulletin, release) !== null)
  if (!last) return []
  const own = mainRelease(release)
  return catalogue.bulletins
    .filter(({ id, dom0 }) => id > last.id && dom0.some((each) => compareVersions(each.release, own) > 0))
    .map(({ id }) => id)
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
  const { newest, date } = catalogue
  throw coreFailure(id > newest ? 'bulletin-newer-than-catalogue' : 'bulletin-not-in-catalogue', {
    id: String(id),
    newest: String(newest),
    date,
  })
}
