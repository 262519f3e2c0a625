import { EXIT, type ExitCode } from '../failure.ts'
import { compareVersions } from '../package/evr.ts'
import type { Bulletin, Restart } from './bulletin.ts'
import { type Catalogue, knowsRelease, laterReleasesOnly } from './catalogue.ts'
import {
  decideDemands,
  demandsFor,
  type InstalledPackage,
  listLaterKernels,
  type MissingPackage,
  mainRelease,
} from './demand.ts'
import { decideRestartDue, type RunningSystem } from './restart-due.ts'

/** What is known of this dom0. */
export type Dom0Facts = {
  /** Qubes release, `4.2`. */
  readonly release: string
  /** All packages; null where they could not be listed. */
  readonly installed: readonly InstalledPackage[] | null
  /** RPM names of which it is not known whether they are installed; none where it is left out. */
  readonly notLookedUp?: ReadonlySet<string>
  readonly running: RunningSystem
}

export type BulletinState = {
  readonly id: number
  readonly date: string
  /** null: could not be determined. */
  readonly met: boolean | null
  readonly restartDue: boolean | null
  /** What the bulletin wants restarted. */
  readonly restart: Restart
  readonly missing: readonly MissingPackage[]
  /** Numbers of later bulletins by which it is met where its own list of versions does not tell; ascending. */
  readonly metThrough: readonly number[]
}

/** The contract of `bulletin list` and `bulletin check`. */
export type BulletinList = {
  readonly release: string
  /** Whether any bulletin names this release: where none does, nothing can be said. */
  readonly releaseKnown: boolean
  /** Numbers of bulletins after the last one for this release that name later releases only. */
  readonly laterReleasesOnly: readonly number[]
  readonly catalogue: { readonly newest: number; readonly date: string }
  /** Newest first; only those that ask something of dom0 in this release. */
  readonly bulletins: readonly BulletinState[]
}

/**
 * How one bulletin stands on this dom0.
 * @param evidence Bulletins that may vouch for a version that this one does not list; those that are later count.
 * @returns null where the bulletin asks nothing of dom0 in this release.
 */
export const decideBulletin = (
  bulletin: Bulletin,
  facts: Dom0Facts,
  evidence: readonly Bulletin[],
): BulletinState | null => {
  const demands = demandsFor(bulletin, facts.release)
  if (!demands) return null
  const laterKernels = listLaterKernels(bulletin, evidence, facts.release)
  const { installed, notLookedUp } = facts
  const { met, missing, satisfied, through } = decideDemands(demands, installed, laterKernels, notLookedUp)
  // Without the update no restart is due for it: the update comes first.
  const whenKnown = met === false ? false : decideRestartDue(bulletin.restart, satisfied, facts.running)
  return {
    id: bulletin.id,
    date: bulletin.date,
    met,
    restartDue: met === null ? null : whenKnown,
    restart: bulletin.restart,
    missing,
    metThrough: met === true ? through.filter((id) => id !== bulletin.id) : [],
  }
}

/** true where any is; else null where any is not known; else false. */
const anyOf = (values: readonly (boolean | null)[]): boolean | null =>
  values.includes(true) ? true : values.includes(null) ? null : false

/** What is known to be missing before what is not known; then the higher version. */
const higher = (a: MissingPackage, b: MissingPackage): MissingPackage => {
  if ((a.unclear === null) !== (b.unclear === null)) return a.unclear === null ? a : b
  return compareVersions(b.wanted, a.wanted) > 0 ? b : a
}

/** What is missing by any of several lists; of one package the higher demand. */
const mergeMissing = (lists: readonly (readonly MissingPackage[])[]): MissingPackage[] => {
  const byName = new Map<string, MissingPackage>()
  for (const missing of lists.flat()) {
    const known = byName.get(missing.name)
    byName.set(missing.name, known ? higher(known, missing) : missing)
  }
  return [...byName.values()]
}

/** Several texts of one bulletin: met where each is, so a revision that asks for less takes nothing back. */
const combineRevisions = (states: readonly BulletinState[]): BulletinState => {
  const unmet = anyOf(states.map(({ met }) => (met === null ? null : !met)))
  return {
    id: states[0]!.id,
    date: states
      .map(({ date }) => date)
      .toSorted()
      .at(-1)!,
    met: unmet === null ? null : !unmet,
    restartDue: unmet === true ? false : anyOf(states.map(({ restartDue }) => restartDue)),
    restart: states[0]!.restart,
    missing: mergeMissing(states.map(({ missing }) => missing)),
    metThrough: [...new Set(states.flatMap(({ metThrough }) => metThrough))].sort((a, b) => a - b),
  }
}

/**
 * The contract's list.
 * @param states One for each text that asks something of the release; those of one number are combined.
 */
export const makeBulletinList = (
  catalogue: Catalogue,
  release: string,
  states: readonly BulletinState[],
): BulletinList => {
  const ids = [...new Set(states.map(({ id }) => id))].sort((a, b) => b - a)
  return {
    release: mainRelease(release),
    releaseKnown: knowsRelease(catalogue, release),
    laterReleasesOnly: laterReleasesOnly(catalogue, release),
    catalogue: { newest: catalogue.newest, date: catalogue.date },
    bulletins: ids.map((own) => combineRevisions(states.filter(({ id }) => id === own))),
  }
}

export const CHECK_VERDICTS = [
  'met',
  'nothing-asked',
  'unmet',
  'unknown',
  'restart-due',
  'restart-perhaps-due',
] as const

export type BulletinCheck = {
  readonly verdict: (typeof CHECK_VERDICTS)[number]
  readonly exit: ExitCode
  /** The bulletins the verdict rests on, newest first. */
  readonly because: readonly number[]
}

type CheckedList = Pick<BulletinList, 'bulletins' | 'releaseKnown' | 'laterReleasesOnly'>

/**
 * The one answer of `bulletin check`: met 0, unmet 1, met but a restart is due 3 (contract).
 *
 * What could not be determined is never 0: unknown packages end with 1 as unmet ones do, so does a release that no
 * bulletin names, and a bulletin that names later releases only; a restart that may be due with 3 as one that is. An
 * older bulletin that asks nothing of this release is 0.
 * @param asked Number of the one bulletin that is asked about; null: all.
 */
export const decideCheck = (
  { bulletins, releaseKnown, laterReleasesOnly }: CheckedList,
  asked: number | null,
): BulletinCheck => {
  const where = (matches: (state: BulletinState) => boolean): number[] =>
    bulletins.filter(matches).map(({ id }) => id)
  const steps: readonly [BulletinCheck['verdict'], ExitCode, number[]][] = [
    ['unmet', EXIT.attention, where(({ met }) => met === false)],
    ['unknown', EXIT.attention, where(({ met }) => met === null)],
    ['restart-due', EXIT.waitingForRestart, where(({ restartDue }) => restartDue === true)],
    ['restart-perhaps-due', EXIT.waitingForRestart, where(({ restartDue }) => restartDue === null)],
    ['met', EXIT.done, where(({ met }) => met === true)],
  ]
  const found = steps.find(([, , ids]) => ids.length > 0)
  const isSilent = !releaseKnown || (asked !== null && laterReleasesOnly.includes(asked))
  if (!found && isSilent) return { verdict: 'unknown', exit: EXIT.attention, because: [] }
  const [verdict, exit, because] = found ?? ['nothing-asked', EXIT.done, []]
  return { verdict, exit, because }
}

/** PCRs that may change by the bulletin's own word, ascending; null where it says nothing of Anti Evil Maid. */
export const pcrsThatMayChange = (bulletin: Bulletin): readonly number[] | null =>
  bulletin.reseal?.pcrs ?? null
