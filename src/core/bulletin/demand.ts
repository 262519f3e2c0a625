import { compareEvr, compareVersions, demandMet, parseEvr } from '../package/evr.ts'
import type { Bulletin, BulletinPackage, Component } from './bulletin.ts'
import { rpmNamesOf, whenAbsent } from './rpm-names.ts'

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
}

/** A package name with the version asked of it and what of it is installed. */
export type MetDemand = {
  readonly name: string
  readonly component: Component
  readonly wanted: string
  /** All versions the bulletin lists for it, one per series. */
  readonly versions: readonly string[]
  /** The installed packages of that name which meet the demand. */
  readonly satisfying: readonly InstalledPackage[]
}

export type DemandDecision = {
  /** null: could not be found out. */
  readonly met: boolean | null
  readonly missing: readonly MissingPackage[]
  readonly satisfied: readonly MetDemand[]
}

/** `4.2` of `4.2.1`: bulletins name releases by two numbers. */
export const mainRelease = (release: string): string => /^\d+\.\d+/.exec(release)?.[0] ?? release

/** What a bulletin asks of dom0 in a release; null where it does not name the release. */
export const demandsFor = (bulletin: Bulletin, release: string): readonly BulletinPackage[] | null =>
  bulletin.dom0.find((each) => each.release === mainRelease(release))?.packages ?? null

/** First two numbers of a version, `6.1` of `1000:6.1.43-1`. */
const seriesOf = (version: string): string => /^\d+(?:\.\d+)?/.exec(parseEvr(version).version)?.[0] ?? version

const newest = (packages: readonly InstalledPackage[]): InstalledPackage =>
  packages.reduce((best, each) => (compareEvr(each.evr, best.evr) > 0 ? each : best))

/**
 * Which of several versions is asked of an installed one: that of the same series (first two numbers).
 *
 * `versions 6.1.43, 6.4.8, 5.15.124` are fixes of three kernel series. A series the bulletin does
 * not name was either given up (then the next newer fix is asked for) or began after all of them (then
 * any of its versions has the fix, and the newest of the list is asked for).
 */
export const wantedFor = (installed: string, versions: readonly string[]): string => {
  const ascending = versions.toSorted(compareVersions)
  const same = ascending.find((version) => seriesOf(version) === seriesOf(installed))
  const newer = ascending.find((version) => compareVersions(seriesOf(version), seriesOf(installed)) > 0)
  return same ?? newer ?? ascending.at(-1)!
}

type Judged = {
  readonly met: boolean | null
  readonly missing?: MissingPackage
  readonly satisfied?: MetDemand
}

/** Of several installed kernels the newest counts: the next start takes it. Older ones may stay. */
const judgeName = (
  name: string,
  component: Component,
  versions: readonly string[],
  present: readonly InstalledPackage[],
): Judged => {
  const latest = newest(present)
  const wanted = wantedFor(latest.evr, versions)
  if (!demandMet(latest.evr, wanted)) {
    return { met: false, missing: { name, component, wanted, installed: latest.evr } }
  }
  const satisfying = present.filter((each) => demandMet(each.evr, wantedFor(each.evr, versions)))
  return { met: true, satisfied: { name, component, wanted, versions, satisfying } }
}

const judgePrinted = (
  printed: BulletinPackage,
  versions: readonly string[],
  installed: readonly InstalledPackage[],
): Judged[] => {
  const { component } = printed
  const names = rpmNamesOf(printed.name)
  const judged = names.flatMap((name) => {
    const present = installed.filter((each) => each.name === name)
    return present.length > 0 ? [judgeName(name, component, versions, present)] : []
  })
  const wanted = versions.toSorted(compareVersions).at(-1)!
  const absent = { name: names[0] ?? printed.name, component, wanted, installed: null }
  if (names.length === 0) return [{ met: null, missing: absent }]
  const isThere = component === 'xen' ? installed.some(({ name }) => name === names[0]) : judged.length > 0
  if (isThere || whenAbsent(printed) === 'not-used') return judged
  return [...judged, { met: whenAbsent(printed) === 'unmet' ? false : null, missing: absent }]
}

/**
 * Whether the packages of dom0 are at least what a bulletin asks for, compared by rpm's rules.
 *
 * A loose name ("Xen packages") stands for several RPMs: all of them that are installed must meet the
 * demand.
 * @param demands From demandsFor.
 * @param installed All packages of dom0; null where they are not known.
 */
export const decideDemands = (
  demands: readonly BulletinPackage[],
  installed: readonly InstalledPackage[] | null,
): DemandDecision => {
  const judged = [...new Set(demands.map(({ name }) => name))].flatMap((printed): Judged[] => {
    const group = demands.filter(({ name }) => name === printed)
    const versions = group.map(({ version }) => version)
    if (installed) return judgePrinted(group[0]!, versions, installed)
    const name = rpmNamesOf(printed)[0] ?? printed
    const missing = { name, component: group[0]!.component, wanted: versions[0]!, installed: null }
    return [{ met: null, missing }]
  })
  const unmet = judged.some(({ met }) => met === false)
  const unknown = judged.some(({ met }) => met === null)
  return {
    met: unmet ? false : unknown ? null : true,
    missing: judged.flatMap(({ missing }) => (missing ? [missing] : [])),
    satisfied: judged.flatMap(({ satisfied }) => (satisfied ? [satisfied] : [])),
  }
}
