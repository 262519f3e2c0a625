/* Long: a table of reasons with their weight, and one look for each in their order. */

import type { UnsealAnswer } from '../aem/seal-outcome.ts'
import type { SelectionLook } from '../aem/seal-selection.ts'
import type { TpmLook } from '../aem/tpm.ts'
import { selectsLaunch } from '../launch/pcr.ts'
import type { Binding } from './device-work.ts'
import type { Outcomes } from './outcomes.ts'

/**
 * Does AEM protect this machine, as far as one look can tell?
 * - protected: this boot was measured, what is sealed on the booted device fits it, and the next boot is of the same kind
 * - at-risk: this boot is good as far as was seen, and the next one will not show the secret, or not be measured
 * - not-protected: in this boot AEM protects nothing, or what it protects was handed to a boot that nobody can explain
 * - unknown: something that it rests on could not be determined
 */
export const PROTECTION_STATES = ['protected', 'not-protected', 'at-risk', 'unknown'] as const
export type ProtectionState = (typeof PROTECTION_STATES)[number]

/** This boot compared with the last approved one of its device. */
export const BOOT_STATES = ['same', 'explained', 'unexplained', 'not-known'] as const
export type BootState = (typeof BOOT_STATES)[number]

/** What each reason makes of the state, in the order in which they are put right; the words are those of messages/protection-state.ts. */
const WEIGHT = {
  'not-installed': 'not-protected',
  'aem-unknown': 'unknown',
  'not-aem-boot': 'not-protected',
  'boot-kind-unknown': 'unknown',
  'no-tpm': 'not-protected',
  'tpm-not-seen': 'unknown',
  'tpm-unknown': 'unknown',
  'launch-failed': 'not-protected',
  'not-launched': 'not-protected',
  'registers-unread': 'unknown',
  'selection-missing': 'not-protected',
  'selection-unread': 'unknown',
  'no-launch-register': 'not-protected',
  'constant-register': 'not-protected',
  'boot-unexplained': 'not-protected',
  'boot-not-accepted': 'unknown',
  'secret-refused': 'unknown',
  'boot-unknown': 'unknown',
  'list-unread': 'unknown',
  'seal-held': 'not-protected',
  'failed-seal': 'at-risk',
  'seal-waiting': 'at-risk',
  'not-sealed': 'not-protected',
  'preparation-outdated': 'at-risk',
  'boot-files-changed': 'at-risk',
  'next-entry-not-aem': 'at-risk',
  // Before what an update does to the next boot: this may be somebody else's doing.
  'luks-header-changed': 'at-risk',
  'restart-pending': 'at-risk',
  'files-updated': 'at-risk',
  'copy-missing': 'at-risk',
  'copy-differs': 'at-risk',
  'sealed-to-other': 'at-risk',
  'slot-taken': 'at-risk',
  'session-open': 'unknown',
  // Before what a recorded machine never holds: this one has a cure of its own.
  'launch-log-unread': 'unknown',
  'device-absent': 'unknown',
  'device-unknown': 'unknown',
  'seal-unknown': 'unknown',
  'luks-header-unknown': 'unknown',
  'next-entry-unknown': 'unknown',
  'restart-unknown': 'unknown',
} as const satisfies Record<string, Exclude<ProtectionState, 'protected'>>

export type ProtectionReason = keyof typeof WEIGHT

export const PROTECTION_REASONS = Object.keys(WEIGHT) as readonly ProtectionReason[]

/** One of the two copies of what is sealed for a device. */
export type CopyLook = { readonly sealed: boolean | null; readonly binding: Binding }

/** The sealed files of the device of this boot. */
export type BootedCopies = {
  readonly present: boolean | null
  /** On the device; null: it was not looked at. */
  readonly device: CopyLook | null
  readonly dom0: CopyLook
  /** The same files in both, by their digests. */
  readonly areSame: boolean | null
  /** `verify` was true in this boot. */
  readonly isVerifiedNow: boolean
  /** Another device was sealed since, in the slot of the TPM that both have. */
  readonly isSlotTaken: boolean
}

/** The entry that GRUB boots next from the device of this boot. */
export type NextEntryLook =
  | { readonly kind: 'aem'; readonly title: string }
  | { readonly kind: 'other'; readonly title: string }
  | { readonly kind: 'unknown'; readonly why: string }

export type ProtectionFacts = {
  readonly installed: boolean | null
  readonly bootedWithAem: boolean | null
  readonly tpm: TpmLook
  /** By PCR 17. */
  readonly measured: boolean | null
  /** PCR 17 shows a launch that was begun and failed. */
  readonly isClosed: boolean
  /** TXT.ERRORCODE names an error. */
  readonly hasTxtError: boolean
  /** Xen or txt-stat says that this boot was launched. */
  readonly hasLaunchTrace: boolean
  readonly selection: SelectionLook['state']
  readonly selected: readonly number[] | null
  /** Selected registers without a value. */
  readonly unread: readonly number[]
  /** Selected registers that hold a public constant. */
  readonly constants: readonly number[]
  readonly isLogRead: boolean
  readonly seal: Outcomes['read-seal-outcome']
  readonly unseal: UnsealAnswer | null
  readonly isHeld: boolean
  /** This boot compared with the last approved one; null: there is none. */
  readonly boot: BootState | null
  readonly isListRead: boolean
  /** null: which device this boot came from is not known. */
  readonly copies: BootedCopies | null
  readonly nextEntry: NextEntryLook | null
  readonly hasChangedFiles: boolean
  /** The LUKS headers beside those that this boot measured; null: they do not count, or were not looked at. */
  readonly luks: 'same' | 'changed' | 'unknown' | null
  readonly pendingRestart: boolean | null
  /** Packages of files that a boot measures were updated in this boot, or an initramfs was written. */
  readonly isUpdated: boolean
  readonly hasSession: boolean
  /** What `start` prepared the next boot for does not lie there any more. */
  readonly isPreparationOutdated: boolean
}

/** The reasons, the gravest first and else in the order of the table, and what the gravest makes of the state. */
export function decideProtectionState(facts: ProtectionFacts): {
  readonly state: ProtectionState
  readonly reasons: readonly ProtectionReason[]
} {
  const found = listReasons(facts)
  const reasons = GRAVITY.flatMap((state) =>
    PROTECTION_REASONS.filter((code) => WEIGHT[code] === state && found.includes(code)),
  )
  const [gravest] = reasons
  return { state: gravest === undefined ? 'protected' : WEIGHT[gravest], reasons }
}

const GRAVITY = ['not-protected', 'at-risk', 'unknown'] as const

/** What a reason makes of the state by itself. */
export function weighReason(code: ProtectionReason): Exclude<ProtectionState, 'protected'> {
  return WEIGHT[code]
}

type When = readonly [ProtectionReason, boolean]

function pick(...all: readonly When[]): readonly ProtectionReason[] {
  return all.filter(([, isSo]) => isSo).map(([code]) => code)
}

function listReasons(facts: ProtectionFacts): readonly ProtectionReason[] {
  const { installed, bootedWithAem } = facts
  if (installed !== true) return [installed === false ? 'not-installed' : 'aem-unknown']
  // No entry is booted before it is known who changed its files.
  if (bootedWithAem === false) return [...pick(['boot-files-changed', facts.hasChangedFiles]), 'not-aem-boot']
  const launch = listLaunchReasons(facts)
  // What follows from a boot that was not launched is not said once more.
  const others = launch.length > 0 ? [] : [...listBootReasons(facts), ...listSealReasons(facts)]
  return [
    ...pick(['boot-kind-unknown', bootedWithAem === null]),
    ...launch,
    ...listSelectionReasons(facts),
    ...others,
    ...listNextReasons(facts, launch.length === 0),
  ]
}

function listLaunchReasons(facts: ProtectionFacts): readonly ProtectionReason[] {
  const { tpm, measured, selected, isClosed, hasTxtError, hasLaunchTrace } = facts
  if (tpm === 'none') return [hasLaunchTrace ? 'tpm-not-seen' : 'no-tpm']
  if (tpm === null) return ['tpm-unknown']
  // Where SEAL has no register that a launch fills, nothing is said of PCR 17.
  if (selected !== null && !selectsLaunch(selected)) return []
  if (measured === false) return [isClosed || hasTxtError ? 'launch-failed' : 'not-launched']
  return measured === null ? ['registers-unread'] : []
}

function listSelectionReasons({ selection, selected }: ProtectionFacts): readonly ProtectionReason[] {
  const isMissing = selection === 'absent' || selection === 'not-set'
  const isRead = selection === 'read' && selected !== null
  return pick(
    ['selection-missing', isMissing],
    ['selection-unread', !isMissing && !isRead],
    ['no-launch-register', isRead && !selectsLaunch(selected)],
  )
}

function listBootReasons(facts: ProtectionFacts): readonly ProtectionReason[] {
  const { constants, unread, boot, unseal, isListRead, copies } = facts
  // In a boot that is the approved one, copies that were tried since say more than the token that another seal had overwritten.
  const isTriedSince = boot === 'same' && copies?.isVerifiedNow === true
  const isRefused = (unseal === 'mismatch' || unseal === 'wrong-token') && !isTriedSince
  return pick(
    ['constant-register', constants.length > 0],
    ['registers-unread', unread.length > 0],
    ['boot-unexplained', boot === 'unexplained'],
    ['boot-not-accepted', boot === 'explained'],
    ['secret-refused', isRefused && boot !== 'unexplained' && boot !== 'explained'],
    ['boot-unknown', boot === 'not-known'],
    ['list-unread', !isListRead],
  )
}

function listSealReasons(facts: ProtectionFacts): readonly ProtectionReason[] {
  const { isHeld, seal, copies, hasSession } = facts
  const isVerified = copies?.isVerifiedNow === true
  // With a session it is held until `resume` has explained the change, as the user chose.
  const held = (isHeld || seal === 'held') && !hasSession
  return [
    ...pick(
      ['seal-held', held],
      ['failed-seal', !held && seal === 'failed' && !isVerified],
      ['seal-waiting', seal === 'waiting'],
    ),
    ...(copies === null ? (['device-unknown'] as const) : listCopyReasons(copies, facts)),
  ]
}

function listCopyReasons(
  copies: BootedCopies,
  { unseal, seal }: ProtectionFacts,
): readonly ProtectionReason[] {
  const { present, device, dom0, areSame, isVerifiedNow } = copies
  const looks = device === null ? [dom0] : [device, dom0]
  if (looks.some(({ sealed }) => sealed === false)) {
    const isNowhere = looks.every(({ sealed }) => sealed === false)
    return [isNowhere ? 'not-sealed' : 'copy-missing']
  }
  const isOther = looks.some(({ binding }) => binding === 'other')
  const isBound = device !== null && (device.binding === 'present' || device.binding === 'forward')
  // A secret that the TPM released in this boot was sealed for it.
  const isShown = isBound || isVerifiedNow || (device !== null && unseal === 'unsealed' && seal !== 'failed')
  return pick(
    ['sealed-to-other', isOther],
    ['copy-differs', !isOther && areSame === false],
    ['slot-taken', copies.isSlotTaken],
    ['device-absent', present === false],
    ['seal-unknown', present !== false && !isOther && !isShown],
  )
}

function listNextReasons(facts: ProtectionFacts, isLaunched: boolean): readonly ProtectionReason[] {
  const { hasChangedFiles, nextEntry, pendingRestart, isUpdated, hasSession, copies, isLogRead } = facts
  const isForward = copies?.device?.binding === 'forward'
  const isAbsent = copies === null || copies.present === false
  return pick(
    ['preparation-outdated', facts.isPreparationOutdated],
    ['boot-files-changed', hasChangedFiles],
    ['next-entry-not-aem', nextEntry?.kind === 'other'],
    // With a session open, `start` has asked about it, and what no longer fits is said of what it prepared.
    ['luks-header-changed', facts.luks === 'changed' && !hasSession],
    ['luks-header-unknown', facts.luks === 'unknown' && !hasSession],
    ['restart-pending', pendingRestart === true && !isForward],
    // Another Xen says it already; with a session open, `resume` says what no longer fits.
    ['files-updated', isUpdated && pendingRestart !== true && !isForward && !hasSession],
    ['session-open', hasSession],
    ['next-entry-unknown', isLaunched && !isAbsent && (nextEntry === null || nextEntry.kind === 'unknown')],
    ['restart-unknown', pendingRestart === null],
    ['launch-log-unread', isLaunched && !isLogRead],
  )
}
