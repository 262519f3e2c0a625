import type { AemJournal } from '../aem/seal-outcome.ts'
import { listConstantPcrs, PCR } from '../launch/pcr.ts'
import type { Baseline, Session } from '../session/checkpoint.ts'
import { type ExpectedRegister, isStateExpected, listExpectedRegisters } from './approved-state.ts'

/** What the gate knows when systemd asks whether AEM's automatic seal may run. */
export type GateFacts = {
  readonly bootId: string | null
  /** What AEM's initrd said in this boot; null: the journal does not say. */
  readonly unseal: AemJournal['unseal']
  /** The registers that a seal would take now (anti-evil-maid.conf). */
  readonly selectedPcrs: readonly number[] | null
  readonly bank: string | null
  /** Hex by index, of that bank. */
  readonly pcrs: Readonly<Record<number, string>>
  readonly session: Session | null
}

/** Why a seal may run. */
export type GateRule = 'unsealed' | 'approved' | 'predicted'

export type HoldReason =
  | 'unmeasured'
  | 'no-session'
  | 'selection-unreadable'
  | 'registers-unreadable'
  | 'no-baseline'
  | 'selection-changed'
  | 'not-planned'
  | 'not-predicted'
  | 'wrong-token'
  | 'contradiction'
  | 'other-state'
  | 'not-root'
  | 'error'

export type GateDecision =
  | { readonly mayRun: true; readonly rule: GateRule }
  | { readonly mayRun: false; readonly reason: HoldReason; readonly pcrs: readonly number[] }

/**
 * May the automatic seal run? It may when nothing changed (AEM's initrd says that the TPM released the freshness token, and
 * that it was the current one, and nothing that is known says otherwise), when the user accepted this very state in this boot, or when every selected register is what the
 * user was told before the restart. Whatever is not known counts against it, and a register that holds a public constant
 * does whatever else speaks for the seal.
 */
export function decideGate(facts: GateFacts): GateDecision {
  const { session, selectedPcrs } = facts
  // AEM's own check does not know a capped register, nor any other than 13 and 17 to 19 (listbadpcrs).
  const constant = listConstantPcrs(facts.pcrs, [...new Set([PCR.drtm, ...(selectedPcrs ?? [])])])
  if (constant.length > 0) return hold('unmeasured', constant)
  if (facts.unseal === 'unsealed') {
    const others = listContradicting(facts)
    return others.length === 0 ? { mayRun: true, rule: 'unsealed' } : hold('contradiction', others)
  }
  if (session === null) return hold('no-session')
  if (selectedPcrs === null || selectedPcrs.length === 0) return hold('selection-unreadable')
  const unreadable = selectedPcrs.filter((index) => facts.pcrs[index] === undefined)
  if (facts.bank === null || unreadable.length > 0) return hold('registers-unreadable', unreadable)
  if (session.baseline === null) return hold('no-baseline')
  if (!isSameSelection(facts.bank, selectedPcrs, session.baseline)) return hold('selection-changed')
  const { approved } = session
  if (approved !== null && approved.bootId !== null && approved.bootId === facts.bootId) {
    const values = selectedPcrs.map((index) => ({ index, value: approved.pcrs[index] ?? null }))
    return compare(facts, values, 'approved')
  }
  return decideByPrediction(facts, session)
}

function isSameSelection(
  bank: string | null,
  selected: readonly number[],
  baseline: Pick<Baseline, 'bank' | 'selectedPcrs'>,
): boolean {
  return bank === baseline.bank && [...selected].sort().join() === [...baseline.selectedPcrs].sort().join()
}

/**
 * A TPM releases nothing under registers it was not sealed to, but what says that it did comes from the initramfs, and so
 * from whoever changed that. While a session is open, its registers are those from before the restart, the predicted ones or
 * the accepted ones; all others contradict the initramfs.
 *
 * @returns the registers that are not as before the restart; empty where nothing contradicts, or nothing is known
 */
function listContradicting(facts: GateFacts): readonly number[] {
  const { session, selectedPcrs, bank, pcrs } = facts
  const baseline = session?.baseline ?? null
  if (session === null || baseline === null || selectedPcrs === null) return []
  const isRead = selectedPcrs.length > 0 && selectedPcrs.every((index) => pcrs[index] !== undefined)
  if (!isRead || !isSameSelection(bank, selectedPcrs, baseline)) return []
  const toRegisters = (values: Readonly<Record<number, string>>): readonly ExpectedRegister[] =>
    selectedPcrs.map((index) => ({ index, value: values[index] ?? null }))
  const others = (registers: readonly ExpectedRegister[]): readonly number[] =>
    registers.filter(({ index, value }) => value !== pcrs[index]).map(({ index }) => index)
  const before = others(toRegisters(baseline.pcrs[baseline.bank] ?? {}))
  const known = [listExpectedRegisters(session), session.approved && toRegisters(session.approved.pcrs)]
  const isKnown = known.some((registers) => registers !== null && others(registers).length === 0)
  return isKnown ? [] : before
}

function decideByPrediction(facts: GateFacts, session: Session): GateDecision {
  const expected = listExpectedRegisters(session)
  if (expected === null || !isStateExpected(expected)) {
    return hold(
      'not-predicted',
      (expected ?? []).filter(({ value }) => value === null).map(({ index }) => index),
    )
  }
  // Only a planned restart makes a prediction the user's: before it, they have not seen the screen that shows it.
  if (session.protection === null || session.restart === null) return hold('not-planned')
  // A token that unsealed and is not the current one is an old copy of the device.
  if (facts.unseal === 'wrong-token') return hold('wrong-token')
  return compare(facts, expected, 'predicted')
}

function compare(facts: GateFacts, wanted: readonly ExpectedRegister[], rule: GateRule): GateDecision {
  const others = wanted
    .filter(({ index, value }) => value === null || value !== facts.pcrs[index])
    .map(({ index }) => index)
  return others.length === 0 && wanted.length > 0 ? { mayRun: true, rule } : hold('other-state', others)
}

function hold(reason: HoldReason, pcrs: readonly number[] = []): GateDecision {
  return { mayRun: false, reason, pcrs }
}
