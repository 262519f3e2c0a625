import type { AemJournal, UnitState } from '../aem/seal-outcome.ts'
import type { Outcomes } from './outcomes.ts'

export type SealFacts = {
  readonly journal: AemJournal | null
  readonly unit: UnitState | null
  /** decideSealedInThisBoot: a seal of this boot wrote dom0's sealed files. */
  readonly sealedInThisBoot: boolean | null
  /** Drop-ins of the seal unit that may hold it. */
  readonly heldByDropIn: boolean
  /** The gate left a note in this boot: it said no. */
  readonly hasHeldNote?: boolean
}

/**
 * What AEM did in this boot. The files decide: a `Sealed` line or exit 0 does not prove a seal, `Failed to seal`
 * does not disprove one, and with plymouth on most lines are missing (domain facts on anti-evil-maid 4.2.0).
 */
export function decideSealOutcome(facts: SealFacts): Outcomes['read-seal-outcome'] {
  const { journal, unit, sealedInThisBoot } = facts
  if (unit?.activeState === 'activating' || (journal?.isWaitingForDevice != null && unit?.endedAtUs === 0)) {
    return 'waiting'
  }
  const hasFailed =
    journal?.sanityCheckFailed === true ||
    (unit !== null && unit.startedAtUs > 0 && unit.result !== 'success' && sealedInThisBoot !== true)
  if (hasFailed) return 'failed'
  if (journal?.unseal === 'unsealed') return 'unsealed'
  if (sealedInThisBoot === true) return 'sealed'
  if (isHeld(facts)) return 'held'
  if (sealedInThisBoot === null) return 'unknown'
  if (unit === null) return 'unknown'
  return unit.startedAtUs === 0 ? 'not-sealed' : 'failed'
}

/**
 * Seen with systemd 252: a seal that ExecCondition= skipped has Result=exec-condition and ConditionResult=no, one
 * whose condition crashed or ran out of time has Result=signal, exit-code or timeout; neither has a start time.
 * A unit that nothing refers to any more forgets it all (Result=success), and only the gate's note is left.
 */
function isHeld({ unit, heldByDropIn, hasHeldNote }: SealFacts): boolean {
  if (unit !== null && unit.startedAtUs > 0) return false
  if (unit?.result === 'exec-condition') return true
  const isGateBroken = unit !== null && heldByDropIn && unit.result !== 'success' && unit.result !== ''
  return isGateBroken || (heldByDropIn && hasHeldNote === true)
}
