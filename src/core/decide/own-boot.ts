import { findApprovedState, findLedgerDevice, type LedgerLook } from '../session/device-ledger.ts'

type Values = Readonly<Record<number, string>>

/** What is known of the boots of one device, whichever device this boot came from. */
export type OwnBoot = {
  /** Its last approved state; null: none is known. */
  readonly approved: {
    readonly at: string
    readonly registers: Values
    /** Are its shared registers those of the last approved state of all devices? null: not known. */
    readonly isCurrent: boolean | null
  } | null
  /** Its last boot in which every check was true, approved or not; null: none is known. */
  readonly verified: { readonly at: string; readonly registers: Values } | null
}

/**
 * What the device ledger holds of a device's own boots.
 *
 * @param shared listSharedRegisters: what holds the same whichever device is booted
 * @param present the registers of this boot, lower-case hex; they stand in where no state was approved on any device
 */
export function findOwnBoot(
  look: LedgerLook,
  label: string,
  shared: readonly number[],
  present: Values,
): OwnBoot {
  if (look.state !== 'read') return { approved: null, verified: null }
  const { ledger } = look
  const { verified } = findLedgerDevice(ledger, label)
  const known = findApprovedState(ledger, label)
  const common = ledger.approved?.registers ?? present
  return {
    approved: known && {
      at: known.at,
      registers: known.registers,
      isCurrent: hasSame(shared, known.registers, common),
    },
    verified: verified && { at: verified.at, registers: verified.registers },
  }
}

/** null where a value is missing, or where the devices share none. */
function hasSame(shared: readonly number[], own: Values, common: Values): boolean | null {
  if (
    shared.some(
      (index) => own[index] !== undefined && common[index] !== undefined && own[index] !== common[index],
    )
  )
    return false
  return shared.length > 0 && shared.every((index) => own[index] !== undefined && common[index] !== undefined)
    ? true
    : null
}
