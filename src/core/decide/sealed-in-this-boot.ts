import type { AemJournal, UnitState } from '../aem/seal-outcome.ts'

/** A look at one file's contents: its SHA-256, known not to be there, or not known. */
export type DigestLook =
  | { readonly state: 'seen'; readonly sha256: string }
  | { readonly state: 'absent' }
  | { readonly state: 'unknown' }

/** What tells whether dom0's sealed files are of this boot. No time of day is among it: a clock can be wrong, or set. */
export type SealEvidence = {
  /** dom0's sealed freshness token now. */
  readonly token: DigestLook
  /** SHA-256 that it had before this boot, from the session; empty where none was recorded. */
  readonly earlierTokens: readonly string[]
  /** SHA-256 that this program's own reseal left in this boot; null: it made none. */
  readonly resealedToken: string | null
  /** The seal unit; its times count from the begin of this boot. */
  readonly unit: UnitState | null
  /** AEM's words in this boot. */
  readonly journal: AemJournal | null
}

/**
 * Did a seal of this boot write dom0's sealed files? Every seal makes a new freshness token, so an earlier token says
 * no. A new one says that something sealed since, and only a unit that ran to its end in this boot, or AEM's own
 * `Sealed` line of this boot, says that it was now.
 *
 * @returns null where the token could not be read, nothing was recorded before, or nothing says when it changed
 */
export function decideSealedInThisBoot(evidence: SealEvidence): boolean | null {
  const { token, earlierTokens, resealedToken } = evidence
  if (token.state === 'unknown') return null
  if (token.state === 'absent') return false
  if (resealedToken === token.sha256) return true
  if (earlierTokens.length === 0) return null
  if (earlierTokens.includes(token.sha256)) return false
  return hasSealed(evidence) ? true : null
}

function hasSealed({ unit, journal }: SealEvidence): boolean {
  const hasRun =
    unit !== null && unit.startedAtUs > 0 && unit.endedAtUs >= unit.startedAtUs && unit.result === 'success'
  return hasRun || journal?.sealedFiles.some((path) => path.endsWith('/secret.fre')) === true
}

/**
 * Did a seal that was just run write new files? Both looks must have been made: a token that could not be read before
 * may be exactly the one that is there now.
 *
 * @returns null where that cannot be told
 */
export function isTokenRenewed(before: DigestLook, after: DigestLook): boolean | null {
  if (before.state === 'unknown' || after.state === 'unknown') return null
  if (after.state === 'absent') return false
  return before.state === 'absent' || before.sha256 !== after.sha256
}
