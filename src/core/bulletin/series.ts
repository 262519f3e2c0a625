import { compareVersions, demandMet, parseEvr } from '../package/evr.ts'

/** First two numbers of a version, `6.1` of `1000:6.1.43-1`. */
export const seriesOf = (version: string): string =>
  /^\d+(?:\.\d+)?/.exec(parseEvr(version).version)?.[0] ?? version

const isOlderSeries = (a: string, b: string): boolean => compareVersions(seriesOf(a), seriesOf(b)) < 0

/** Versions of one package that a bulletin lists. */
export type ListedVersions = {
  /** Number of the bulletin. */
  readonly id: number
  readonly versions: readonly string[]
}

const ofSameSeries = (installed: string, versions: readonly string[]): string | undefined =>
  versions
    .filter((version) => seriesOf(version) === seriesOf(installed))
    .toSorted(compareVersions)
    .at(-1)

/**
 * Which of several versions to name beside an installed one: that of the same series, else the next newer one, else the
 * newest. Whether it is met, judgeVersion says.
 */
export const wantedFor = (installed: string, versions: readonly string[]): string => {
  const ascending = versions.toSorted(compareVersions)
  const newer = ascending.find((version) => isOlderSeries(installed, version))
  return ofSameSeries(installed, versions) ?? newer ?? ascending.at(-1)!
}

export type VersionVerdict = {
  /** null: the bulletins do not tell. */
  readonly met: boolean | null
  /** The version that the installed one was compared with. */
  readonly wanted: string
  /** Number of the later bulletin that tells it; null where the bulletin itself does, or none. */
  readonly through: number | null
}

/**
 * Whether an installed version is at least what a bulletin asks for that lists one version for each series.
 *
 * `versions 6.1.43, 6.4.8, 5.15.124` are fixes of three kernel series: those that Qubes shipped when the bulletin was
 * published.
 * - A series of the list: its version is what counts.
 * - A series newer than all: Qubes took it up later, with the fix in it.
 * - Any other series was given up before the bulletin (5.11: never fixed), or taken up after it (Qubes 4.1 went from
 *   5.10 to 5.15 three months after QSB-78 had listed 5.10 and 5.16), or was not concerned (QSB-69 lists only the
 *   latest kernel for Qubes 4.0). The list does not tell which. A later bulletin does where it lists a version of that
 *   very series: Qubes published that version after the earlier bulletin, for a release it was keeping secure, so it has
 *   the earlier fix or never needed it; whatever is at least as new has it too. That a series is newer than all of a
 *   later list tells nothing more here: that list would then lack a series of the earlier one, and not be whole.
 * - Without such a later bulletin: a series older than all counts as given up, one in between is not known.
 * @param installed EVR of the installed package.
 * @param versions What the bulletin lists.
 * @param later What later bulletins list for packages of the same source, oldest first.
 */
export const judgeVersion = (
  installed: string,
  versions: readonly string[],
  later: readonly ListedVersions[],
): VersionVerdict => {
  const wanted = wantedFor(installed, versions)
  if (ofSameSeries(installed, versions) !== undefined)
    return { met: demandMet(installed, wanted), wanted, through: null }
  if (versions.every((version) => isOlderSeries(version, installed)))
    return { met: true, wanted, through: null }
  for (const list of later) {
    const listed = ofSameSeries(installed, list.versions)
    if (listed !== undefined && demandMet(installed, listed))
      return { met: true, wanted: listed, through: list.id }
  }
  const isOldest = versions.every((version) => isOlderSeries(installed, version))
  return { met: isOldest ? false : null, wanted, through: null }
}
