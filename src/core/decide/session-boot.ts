import { listMeasuredPcrs } from '../launch/pcr.ts'
import type { Session } from '../session/checkpoint.ts'

/**
 * What an open session knows of this boot:
 * - unasked: it noted nothing that a boot could be held against
 * - same-boot: dom0 was not restarted since it noted the state
 * - accepted: a person accepted this boot, or one with the same selected registers
 * - rejected: `resume` found it unexplained
 * - not-judged: `resume` has not looked at it yet
 */
export type SessionBoot = 'unasked' | 'same-boot' | 'accepted' | 'rejected' | 'not-judged'

/**
 * @param bootId of this boot; null: not known
 * @param registers of this boot in the bank of the baseline, lower-case hex by index
 */
export function judgeSessionBoot(
  { baseline, approved, findings }: Pick<Session, 'baseline' | 'approved' | 'findings'>,
  bootId: string | null,
  registers: Readonly<Record<number, string>>,
): SessionBoot {
  if (baseline === null) return 'unasked'
  if (bootId !== null && baseline.bootId === bootId) return 'same-boot'
  if (bootId !== null && approved?.bootId === bootId) return 'accepted'
  if (findings.explain?.verdict === 'unexplained') return 'rejected'
  // What the launch filled beside SEAL booted all the same.
  const all = listMeasuredPcrs(listMeasuredPcrs(baseline.selectedPcrs, registers), approved?.pcrs ?? {})
  const isSame = all.every(
    (index) => registers[index] !== undefined && registers[index] === approved?.pcrs[index],
  )
  return isSame ? 'accepted' : 'not-judged'
}
