import type { AemJournal } from '../aem/seal-outcome.ts'
import type { Session } from '../session/checkpoint.ts'

/**
 * What became of a forward seal at the boot that it was made for:
 * - none: none was chosen, or that boot is over
 * - shown: the TPM released the secret
 * - not-made: dom0 went off, or the step failed, before anything was switched to it
 * - cut: dom0 went off while it was being switched; whether this boot had it is not known
 * - not-in-force: every register is as predicted, and the TPM refused: other files lay sealed at this boot
 * - overtaken: signed packages came after it was made, so this boot could not be the predicted one
 * - contradicted: it was in force, and this boot is not the predicted one
 * - unknown: the journal does not say whether the secret was released
 */
export type ForwardOutcome =
  | 'none'
  | 'shown'
  | 'not-made'
  | 'cut'
  | 'not-in-force'
  | 'overtaken'
  | 'contradicted'
  | 'unknown'

export type ForwardFacts = {
  readonly isChosen: boolean
  /** The step came to its end, by the session's history. */
  readonly isDone: boolean
  /** A switch had been begun: the session has the record of it. */
  readonly hasRecord: boolean
  /** What lies on the device now, where AEM has not sealed since: the new files, or the previous ones. */
  readonly device: 'forward' | 'previous' | 'other' | null
  readonly unseal: AemJournal['unseal'] | null
  /** The selected registers are known to be the predicted ones. */
  readonly isPredicted: boolean
  /** Names of packages that came after the protecting step. */
  readonly later: readonly string[]
}

/** Read from what was done, not from the way that was chosen. It says nothing of the change itself: `explain` does. */
export function decideForwardOutcome(facts: ForwardFacts): ForwardOutcome {
  const { isChosen, isDone, hasRecord, device, unseal, isPredicted, later } = facts
  if (!isChosen && !hasRecord) return 'none'
  if (unseal === 'unsealed') return 'shown'
  if (!isDone) {
    if (!hasRecord || device === 'previous') return 'not-made'
    if (device !== 'forward') return 'cut'
  }
  if (unseal === null) return 'unknown'
  if (isPredicted) return 'not-in-force'
  return later.length > 0 ? 'overtaken' : 'contradicted'
}

/**
 * May what lay sealed at this boot be another seal than the forward one? That one opens under the predicted registers alone; a
 * boot that is another, and was not refused, opened what AEM sealed since.
 */
export function mayBeSealedSince({
  unseal,
  isPredicted,
}: Pick<ForwardFacts, 'unseal' | 'isPredicted'>): boolean {
  return !isPredicted && unseal !== 'mismatch'
}

/** Is a boot without the secret what has to be expected of it? */
export function isRefusalExpected(outcome: ForwardOutcome): boolean {
  return ['none', 'not-made', 'cut', 'not-in-force', 'overtaken'].includes(outcome)
}

/** Did the step that seals forward come to its end, and nothing begin it again? */
export function isForwardDone({ history }: Pick<Session, 'history'>): boolean {
  return history.findLast(({ step }) => step === 'forward-seal')?.outcome === 'sealed'
}

/** Was a forward seal chosen, and its step not brought to its end? Then half-written files may lie about. */
export function isForwardUnfinished(session: Pick<Session, 'history' | 'protection' | 'approved'>): boolean {
  return session.protection === 'forward-seal' && session.approved === null && !isForwardDone(session)
}
