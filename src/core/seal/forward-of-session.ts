import type { Findings } from '../decide/facts.ts'
import { findLedgerDevice, type LedgerLook } from '../session/device-ledger.ts'
import type { ForwardRecord } from './forward-record.ts'

/** A session, as far as its forward seal is looked up in it. */
type WithFindings = { readonly findings: Findings }

/** The record of the session's forward seal, or null where it made none. */
export function forwardRecordOf(session: WithFindings | null): ForwardRecord | null {
  return session?.findings['forward-seal']?.record ?? null
}

/** Register values that a device was sealed forward to, before their boot, by its label; null: it was not. */
export type ForwardValuesOf = (label: string) => Readonly<Record<number, string>> | null

/** To which registers each device was sealed forward: by the open session, or for its own next boot. */
export function listForwardValues(session: WithFindings | null, look: LedgerLook): ForwardValuesOf {
  const own = forwardRecordOf(session)
  return (label) => {
    if (own?.label === label) return own.values
    const kept = look.state === 'read' ? findLedgerDevice(look.ledger, label).forward : null
    return kept === null || kept.isReplaced ? null : kept.registers
  }
}
