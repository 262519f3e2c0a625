import { compareEvr, compareVersions } from '../package/evr.ts'
import type { Bulletin, BulletinPackage, Component } from './bulletin.ts'
import { correctVersions } from './errata.ts'
import { isKeptKernel, namesToKnow, rpmNamesOf, whenAbsent } from './rpm-names.ts'
import { judgeVersion, type ListedVersions, seriesOf } from './series.ts'

/** An installed package; of kernels there may be several with one name. */
export type InstalledPackage = {
  readonly name: string
  /** `epoch:version-release`, as `rpm -qa --qf '%{EPOCH}:%{VERSION}-%{RELEASE}'` prints it. */
  readonly evr: string
  /** Unix seconds, `%{INSTALLTIME}`; null where it is not known. */
  readonly installTime: number | null
}

/** One thing a bulletin asks for that this dom0 does not have (contract of `bulletin list`). */
export type MissingPackage = {
  /** RPM name; the name as printed where it could not be told. */
  readonly name: string
  readonly component: Component
  /** Version as the bulletin prints it. */
  readonly wanted: string
  /** EVR; null where nothing is installed or it is not known. */
  readonly installed: string | null
  /** Why it is not known whether it is there; null where it is known not to be. */
  readonly unclear: Unclear | null
}

/**
 * `series-not-listed`: the bulletin lists other series than the installed one, see judgeVersion; `name-not-known`: which
 * RPM the bulletin means could not be told. What is to be done first stands first.
 */
export const UNCLEAR = ['not-looked-up', 'series-not-listed', 'name-not-known'] as const
export type Unclear = (typeof UNCLEAR)[number]

/** A package name with the version asked of it and what of it is installed. */
export type MetDemand = {
  readonly name: string
  readonly component: Component
  readonly wanted: string
  /** All versions the bulletin lists for it, one per series. */
  readonly versions: readonly string[]
  /** What later bulletins list for it, see judgeVersion. */
  readonly later: readonly ListedVersions[]
  /** The installed packages of that name which meet the demand. */
  readonly satisfying: readonly InstalledPackage[]
}

export type DemandDecision = {
  /** null: could not be determined. */
  readonly met: boolean | null
  readonly missing: readonly MissingPackage[]
  readonly satisfied: readonly MetDemand[]
  /** Numbers of later bulletins by which something is met, as its own list does not tell. */
  readonly through: readonly number[]
}

/** `4.2` of `4.2.1`: bulletins name releases by two numbers. */
export const mainRelease = (release: string): string => /^\d+\.\d+/.exec(release)?.[0] ?? release

/** What a bulletin asks of dom0 in a release, misprints put right; null where it does not name the release. */
export const demandsFor = (bulletin: Bulletin, release: string): readonly BulletinPackage[] | null => {
  const named = bulletin.dom0.find((each) => each.release === mainRelease(release))
  return named ? correctVersions(bulletin.id, named.packages) : null
}

/**
 * The kernels that later bulletins list for a release, oldest first. All kernel packages are built from one source: the
 * version tells how new it is, whether dom0 boots it or lends it to qubes (QubesOS/qubes-linux-kernel, kernel.spec.in).
 * Another text of the same bulletin counts too.
 * @param evidence Bulletins that may vouch for a version: of the catalogue, and fully signed ones.
 */
export const listLaterKernels = (
  bulletin: Bulletin,
  evidence: readonly Bulletin[],
  release: string,
): readonly ListedVersions[] =>
  evidence
    .filter((each) => each.id >= bulletin.id && each !== bulletin)
    .toSorted((a, b) => a.id - b.id)
    .map((each) => ({
      id: each.id,
      versions: (demandsFor(each, release) ?? [])
        .filter(({ component }) => component === 'kernel')
        .map(({ version }) => version),
    }))

const newest = (packages: readonly InstalledPackage[]): InstalledPackage =>
  packages.reduce((best, each) => (compareEvr(each.evr, best.evr) > 0 ? each : best))

type Judged = {
  readonly met: boolean | null
  readonly missing?: MissingPackage
  readonly satisfied?: MetDemand
  readonly through?: number | null
}

type Asked = Pick<MetDemand, 'component' | 'versions' | 'later'>

/** Of several installed kernels the newest counts: the next start takes it. Older ones may stay. */
const judgeName = (name: string, asked: Asked, present: readonly InstalledPackage[]): Judged => {
  const { component, versions, later } = asked
  const { evr } = newest(present)
  const { met, wanted, through } = judgeVersion(evr, versions, later)
  if (met !== true) {
    const isOtherSeries = met === null || (isKeptKernel(name) && seriesOf(wanted) !== seriesOf(evr))
    const unclear = isOtherSeries ? 'series-not-listed' : null
    return { met: isOtherSeries ? null : met, missing: { name, component, wanted, installed: evr, unclear } }
  }
  const satisfying = present.filter((each) => judgeVersion(each.evr, versions, later).met === true)
  return { met, through, satisfied: { name, ...asked, wanted, satisfying } }
}

const judgePrinted = (
  printed: BulletinPackage,
  asked: Asked,
  installed: readonly InstalledPackage[] | null,
  notLookedUp: ReadonlySet<string>,
): Judged[] => {
  const { component, versions } = asked
  const names = rpmNamesOf(printed.name)
  const wanted = versions.toSorted(compareVersions).at(-1)!
  const absent = { name: names[0] ?? printed.name, component, wanted, installed: null }
  if (names.length === 0) return [{ met: null, missing: { ...absent, unclear: 'name-not-known' } }]
  const unknown: Judged = { met: null, missing: { ...absent, unclear: 'not-looked-up' } }
  if (installed === null) return [unknown]
  const judged = names.flatMap((name) => {
    const present = installed.filter((each) => each.name === name)
    return present.length > 0 ? [judgeName(name, asked, present)] : []
  })
  const notKnown = namesToKnow(printed.name).find((name) => notLookedUp.has(name))
  if (notKnown !== undefined) {
    const unseen: MissingPackage = { ...absent, name: notKnown, unclear: 'not-looked-up' }
    return [...judged.filter(({ met }) => met === false), { met: null, missing: unseen }]
  }
  const isThere = component === 'xen' ? installed.some(({ name }) => name === names[0]) : judged.length > 0
  const meaning = whenAbsent(printed)
  if (isThere || meaning === 'not-used') return judged
  if (meaning === 'unmet') return [...judged, { met: false, missing: { ...absent, unclear: null } }]
  return [
    ...judged,
    meaning === 'unknown' ? unknown : { met: null, missing: { ...absent, unclear: meaning } },
  ]
}

/**
 * Whether the packages of dom0 are at least what a bulletin asks for, compared by rpm's rules.
 *
 * A loose name ("Xen packages") stands for several RPMs: all of them that are installed must meet the
 * demand.
 * @param demands From demandsFor.
 * @param installed All packages of dom0; null where they are not known.
 * @param laterKernels From listLaterKernels.
 * @param notLookedUp RPM names of which it is not known whether they are installed.
 */
export const decideDemands = (
  demands: readonly BulletinPackage[],
  installed: readonly InstalledPackage[] | null,
  laterKernels: readonly ListedVersions[],
  notLookedUp: ReadonlySet<string> = new Set(),
): DemandDecision => {
  const judged = [...new Set(demands.map(({ name }) => name))].flatMap((name) => {
    const group = demands.filter((each) => each.name === name)
    const { component } = group[0]!
    const versions = group.map(({ version }) => version)
    // Only kernels are kept in several series at a time.
    const later = component === 'kernel' ? laterKernels : []
    return judgePrinted(group[0]!, { component, versions, later }, installed, notLookedUp)
  })
  const unmet = judged.some(({ met }) => met === false)
  const unknown = judged.some(({ met }) => met === null)
  return {
    met: unmet ? false : unknown ? null : true,
    missing: judged.flatMap(({ missing }) => (missing ? [missing] : [])),
    satisfied: judged.flatMap(({ satisfied }) => (satisfied ? [satisfied] : [])),
    through: [...new Set(judged.flatMap(({ through }) => through ?? []))].sort((a, b) => a - b),
  }
}
