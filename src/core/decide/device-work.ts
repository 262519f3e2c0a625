import type { Flavour } from '../launch/boot-entry.ts'
import { LAUNCH_PCRS, PCR } from '../launch/pcr.ts'
import {
  type ApprovedState,
  type DeviceLedger,
  findLedgerDevice,
  type LedgerDevice,
  type LedgerLook,
  putLedgerDevice,
  type VerifiedState,
} from '../session/device-ledger.ts'
import type { DeviceNeed, DeviceWork } from './device-need.ts'

/** A device's boot files compared with those of the installed packages. */
export const DEVICE_FILE_STATES = ['current', 'stale', 'absent'] as const
export type DeviceFileState = (typeof DEVICE_FILE_STATES)[number]

export type WorkFacts = {
  readonly label: string
  readonly present: boolean | null
  readonly bootFiles: DeviceFileState | null
  /** One of its boot files is neither a package's nor an approved boot's (`listChangedFiles`). */
  readonly isChanged?: boolean
  /** `areSame`: are its own sealed files those that dom0 has? null, or left out: not known. */
  readonly copies?: { readonly areSame: boolean | null }
  /** A seal since then took the token of its forward seal out of the TPM (`isForwardSpent`). */
  readonly isForwardSpent?: boolean
  /** Of the device that this boot came from; left out: it is another one, or that does not matter. */
  readonly booted?: BootedWork | null
}

export type BootedWork = {
  readonly bootId: string | null
  readonly hasSession: boolean
  /** Another Xen is installed than runs, or what a boot measures was updated in this one. */
  readonly isPending: boolean
}

/**
 * The selected registers that hold the same whichever device is booted. tboot's legacy map measures kernel, initramfs
 * and the command line with aem.uuid into PCR 19, TrenchBoot measures the device's own files into 17 and 18.
 */
export function listSharedRegisters(selected: readonly number[], flavour: Flavour | null): readonly number[] {
  const own: readonly number[] = flavour === 'tboot' ? [PCR.modules] : LAUNCH_PCRS
  return selected.filter((index) => !own.includes(index))
}

/**
 * Is the device sealed for the approved state, as far as the ledger can show it?
 * @returns null where no state was approved yet, or the ledger cannot be read: then there is no such list
 */
export function decideDeviceWork(look: LedgerLook, facts: WorkFacts): DeviceWork | null {
  if (look.state !== 'read' || look.ledger.approved === null) return null
  const own = findLedgerDevice(look.ledger, facts.label)
  const { verified, leftSince } = own
  const why = findShortfall(look.ledger.approved, verified) ?? findCopyFault(facts)
  if (why === null) return { state: 'done' }
  const isForward = facts.isForwardSpent !== true && isForwardFor(look.ledger.approved, own)
  const needs = facts.booted ? decideBootedNeed(facts, facts.booted, verified) : decideNeed(facts, isForward)
  return { state: 'to-do', needs, why, since: leftSince }
}

/** Why the last verification does not show the approved state; null where it does. */
function findShortfall(approved: ApprovedState, verified: VerifiedState | null): string | null {
  if (verified === null) return 'it was never verified in a boot of its own'
  if (verified.at < approved.at)
    return `it was last verified at ${verified.at}, before the state of ${approved.at} was approved`
  if (verified.isCurrent !== true) return verified.why ?? 'what it booted could not be checked'
  const other = approved.shared.filter(
    (index) =>
      approved.registers[index] === undefined || verified.registers[index] !== approved.registers[index],
  )
  return other.length === 0
    ? null
    : `in its own boot PCR ${other.join(', ')} was another than the approved one`
}

/** What is unsealed at its next boot is its own copy. */
function findCopyFault({ copies }: WorkFacts): string | null {
  return copies?.areSame === false
    ? 'its own sealed files are not those that dom0 has: an older set was put back, or they are damaged or gone'
    : null
}

/** Sealed forward since the state was approved, for registers that all devices share with it. */
function isForwardFor(approved: ApprovedState, { forward }: LedgerDevice): boolean {
  if (forward === null || forward.isReplaced || forward.at < approved.at) return false
  return approved.shared.every(
    (index) =>
      approved.registers[index] !== undefined && forward.registers[index] === approved.registers[index],
  )
}

function decideNeed({ present, bootFiles, isChanged }: WorkFacts, isForward: boolean): DeviceNeed {
  if (isChanged === true) return 'changed'
  if (isForward && bootFiles !== 'stale' && bootFiles !== 'absent') return 'forward-boot'
  if (present === false) return 'plug-in'
  if (bootFiles === 'stale' || bootFiles === 'absent') return 'refresh'
  return present === null || bootFiles === null ? 'look' : 'own-boot'
}

/** It is neither refreshed nor sealed forward by itself, and this boot is the one of its own. */
function decideBootedNeed(
  { present, bootFiles, isChanged }: WorkFacts,
  { bootId, hasSession, isPending }: BootedWork,
  verified: VerifiedState | null,
): DeviceNeed {
  if (isChanged === true) return 'changed'
  if (hasSession) return 'resume'
  if (present === false) return 'plug-in'
  if (isPending || bootFiles === 'stale' || bootFiles === 'absent') return 'start'
  if (verified === null || bootId === null || verified.bootId !== bootId) return 'verify'
  return verified.isCurrent === true ? 'accept' : 'start'
}

/** The ledger with every known device in it, and since when each is left to do. @param labels of all AEM devices */
export function markDevicesLeft(ledger: DeviceLedger, labels: readonly string[], at: string): DeviceLedger {
  const known = ledger.devices.filter((one) => labels.includes(one.label))
  return labels.reduce(
    (kept, label) => {
      const own = findLedgerDevice(ledger, label)
      const facts = { label, present: null, bootFiles: null }
      const isLeft = decideDeviceWork({ state: 'read', ledger }, facts)?.state === 'to-do'
      return putLedgerDevice(kept, { ...own, leftSince: isLeft ? (own.leftSince ?? at) : null })
    },
    { ...ledger, updatedAt: at, devices: known },
  )
}

/** What the sealed files of a device are bound to, as one look can tell. */
export type Binding = 'present' | 'forward' | 'other' | null

/**
 * For which PCR state a device is sealed:
 * - present: the registers of this boot
 * - own-boot: those of its own boot, in which it was verified and whose shared registers equal the present ones
 * - forward: those predicted for the next boot, by the open session
 * - other: other registers, so mostly an older state
 * - not-sealed: nothing is sealed
 */
export const SEALED_FOR = ['present', 'own-boot', 'forward', 'other', 'not-sealed'] as const
export type SealedFor = (typeof SEALED_FOR)[number] | null

export function decideSealedFor(facts: {
  readonly sealed: boolean | null
  readonly binding: Binding
  readonly isBooted: boolean
  readonly tokenSha256: string | null
  readonly verified: VerifiedState | null
  readonly present: Readonly<Record<number, string>>
  readonly shared: readonly number[]
}): SealedFor {
  const { sealed, binding, isBooted, tokenSha256, verified, present, shared } = facts
  if (sealed === false) return 'not-sealed'
  if (binding !== 'other' || isBooted) return binding
  // PCR 19 differs per device: of one that was not booted from, only its own verified boot says what the rest means.
  if (verified === null || tokenSha256 === null || verified.tokenSha256 !== tokenSha256) return null
  const known = shared.length > 0 && shared.every((index) => present[index] !== undefined)
  if (!known) return null
  return shared.every((index) => verified.registers[index] === present[index]) ? 'own-boot' : 'other'
}
