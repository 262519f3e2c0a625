import { compareEvr, demandMet } from '../package/evr.ts'

/** A version that a package had before, and where that is known from. */
export type EarlierVersion = {
  readonly name: string
  /** As rpm prints it; the running Xen gives its version alone, the running kernel version and release. */
  readonly evr: string
  readonly source: 'running' | 'recorded' | 'baseline'
}

export type Downgrade = {
  readonly name: string
  /** The newest EVR it is known to have had. */
  readonly from: string
  readonly to: string
}

/**
 * Packages that are older now than they were: by RPM's order of versions, never by the time of their installation. An
 * older package is signed as well as a newer one, so a signature does not tell them apart.
 *
 * @param now the version of each package that counts: of what boots next, or booted, else the newest installed one
 * @param earlier all that is known from before; a version without epoch or release is compared without it
 */
export function listDowngrades(
  now: readonly { readonly name: string; readonly evr: string }[],
  earlier: readonly EarlierVersion[],
): readonly Downgrade[] {
  return now.flatMap(({ name, evr }) => {
    const newer = earlier.filter((old) => old.name === name && !demandMet(evr, old.evr))
    const [from] = newer.map((old) => old.evr).sort((a, b) => compareEvr(b, a))
    return from === undefined ? [] : [{ name, from, to: evr }]
  })
}

/** Those of which nobody said that they are wanted. A wanted one is wanted down to its very EVR, not further. */
export function listUnwanted(
  downgrades: readonly Downgrade[],
  wanted: readonly { readonly name: string; readonly to: string }[],
): readonly Downgrade[] {
  return downgrades.filter(
    ({ name, to }) => !wanted.some((one) => one.name === name && compareEvr(to, one.to) >= 0),
  )
}
