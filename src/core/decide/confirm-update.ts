import type { Flavour } from '../launch/boot-entry.ts'
import { PCR } from '../launch/pcr.ts'
import { describeSignatureFault, isUnlistedKey, type SignatureState } from '../package/signers.ts'
import type { Downgrade } from './downgrades.ts'
import type { Outcomes } from './outcomes.ts'

/** What a measured package brings to a boot. */
export const COMPONENTS = ['xen', 'kernel', 'microcode', 'initramfs', 'tboot', 'aem'] as const
export type Component = (typeof COMPONENTS)[number]

export type ConfirmedPackage = {
  readonly name: string
  readonly component: Component
  readonly evr: string
  /** The boot entry that was asked about loads a file of this very version. */
  readonly isLoaded: boolean
  readonly installedAt: string
  /** Installed after this boot began, so not yet measured; null where the boot time is unknown. */
  readonly changedSinceBoot: boolean | null
  readonly signer: string | null
  readonly signature: SignatureState | null
  /** Key id of the signature, hex. */
  readonly keyId?: string | null
  /** Paths whose contents are not the package's; null when rpm -V could not tell. */
  readonly changedFiles: readonly string[] | null
}

export type UpdateFacts = {
  readonly packages: readonly ConfirmedPackage[]
  readonly rpmKnown: boolean
  /** Measured packages that rpm gave no answer about: they may be installed, and anything. */
  readonly unasked: readonly string[]
  readonly pendingXen: boolean | null
  /** The record of earlier versions could be read, or there is none yet. */
  readonly areVersionsKnown: boolean
  /** Packages that are older than they were. */
  readonly downgrades: readonly Downgrade[]
  /** A person said that they are meant; never --yes. */
  readonly isDowngradeWanted: boolean
  /** Is the named bulletin's demand met; null when none was named. */
  readonly demandMet: boolean | null
  readonly bulletinNamed: boolean
  readonly bulletinVerified: boolean
}

/** A package is verified when its signature is good by a known key and its files are as packaged. */
export function isVerifiedPackage(
  item: Pick<ConfirmedPackage, 'signature' | 'signer' | 'changedFiles'>,
): boolean {
  return item.signature === 'ok' && item.signer !== null && item.changedFiles?.length === 0
}

/** Why a package is not verified, in words to put behind its name; null where it is. */
export function describePackageFault(
  item: Pick<ConfirmedPackage, 'signature' | 'signer' | 'keyId' | 'changedFiles'>,
): string | null {
  if (item.changedFiles === null) return 'has files that could not be checked'
  if (item.changedFiles.length > 0) return `has changed files: ${item.changedFiles.join(', ')}`
  return describeSignatureFault(item)
}

/**
 * Packages that a key signed which RPM has and nobody listed, where that is all that stands against any of them; empty
 * where anything else does.
 */
export function listUnlistedOnly(packages: readonly ConfirmedPackage[]): readonly ConfirmedPackage[] {
  const faulty = packages.filter(
    (item) =>
      item.changedFiles?.length !== 0 || (item.changedSinceBoot !== false && !isVerifiedPackage(item)),
  )
  return faulty.every((item) => item.changedFiles?.length === 0 && isUnlistedKey(item)) ? faulty : []
}

/** Packages that the next boot measures for the first time. */
export function listChangedPackages(packages: readonly ConfirmedPackage[]): readonly ConfirmedPackage[] {
  return packages.filter((item) => item.changedSinceBoot === true)
}

/**
 * Is the update there and trustworthy? Packages that changed, or may have, must be verified; of the others only their
 * files must be as packaged (their signature was accepted with an earlier boot). An older package than before is no
 * update, however well it is signed, unless a person says that it is wanted.
 */
export function decideUpdate(facts: UpdateFacts): Outcomes['confirm-update'] {
  const outcome = decideInstalled(facts)
  if (outcome !== 'confirmed' && outcome !== 'nothing-pending') return outcome
  if (!facts.areVersionsKnown) return 'unknown'
  if (facts.downgrades.length === 0) return outcome
  if (!facts.isDowngradeWanted) return 'downgrade'
  return outcome === 'confirmed' ? 'downgrade-wanted' : outcome
}

function decideInstalled(
  facts: UpdateFacts,
): Exclude<Outcomes['confirm-update'], 'downgrade' | 'downgrade-wanted'> {
  const { packages } = facts
  if (!facts.rpmKnown || packages.length === 0) return 'unknown'
  if (facts.bulletinNamed && !facts.bulletinVerified) return 'not-verified'
  if (facts.bulletinNamed && facts.demandMet === null) return 'unknown'
  if (facts.bulletinNamed && !facts.demandMet) return 'unmet'
  if (packages.some((item) => (item.changedFiles ?? []).length > 0)) return 'not-verified'
  if (facts.unasked.length > 0) return 'unknown'
  // Whether anything changed must be known before "nothing did", and before "the update is there".
  if (listChangedPackages(packages).length === 0 && facts.pendingXen !== true) {
    const isQuiet = packages.every((item) => item.changedSinceBoot === false && item.changedFiles !== null)
    return isQuiet && facts.pendingXen === false ? 'nothing-pending' : 'unknown'
  }
  const mustVerify = packages.filter(
    (item) => item.changedSinceBoot !== false || (item.component === 'xen' && facts.pendingXen !== false),
  )
  const isGood =
    mustVerify.every(isVerifiedPackage) && packages.every((item) => item.changedFiles?.length === 0)
  return isGood ? 'confirmed' : 'not-verified'
}

/**
 * Registers that this update may change; every other selected one must stay as it is.
 *
 * tboot's legacy map: Xen goes to PCR 18, kernel and initramfs to 19, tboot itself to 17 and 18 (tboot 1.10.5,
 * policy.c). Bulletins say 18 and 19 for each of them, so both are allowed where one is touched; the launch log
 * says which really moved.
 */
export function listMayChange(
  changed: readonly Pick<ConfirmedPackage, 'component'>[],
  bulletinPcrs: readonly number[],
  flavour: Flavour | null,
): readonly number[] {
  const pcrs = new Set(bulletinPcrs)
  for (const { component } of changed) {
    if (component === 'tboot' || flavour === 'trenchboot') pcrs.add(PCR.drtm)
    pcrs.add(PCR.launched)
    pcrs.add(PCR.modules)
  }
  return [...pcrs].sort((a, b) => a - b)
}
