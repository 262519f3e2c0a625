import { listConstantPcrs } from '../launch/pcr.ts'
import {
  type ApprovedState,
  type DeviceLedger,
  findApprovedState,
  type LedgerLook,
} from '../session/device-ledger.ts'
import type { GateCheck } from './readiness.ts'

type Values = Readonly<Record<number, string>>

/** This boot, as it is compared with the approved state. */
export type PresentBoot = {
  /** Of the device it came from; null where that is not known. */
  readonly label: string | null
  readonly selected: readonly number[]
  /** Of the selected registers, those that all devices share (see `listSharedRegisters`). */
  readonly shared: readonly number[]
  /** In the bank AEM seals to. */
  readonly registers: Values
}

/**
 * A device is sealed forward only for the state that was approved on another one: the registers that all devices share
 * must hold the approved values now, and be predicted so for the device's own boot. The others must be those of this
 * boot's own device: what did not change since this boot is not asked for again (observe/launch/prediction.ts).
 *
 * @param predicted for the device's next boot; null: not predicted yet
 */
export function checkApproved(look: LedgerLook, boot: PresentBoot, predicted: Values | null): GateCheck {
  const id = 'approved-state'
  const { label, selected, shared, registers } = boot
  const approved = look.state === 'read' ? look.ledger.approved : null
  if (look.state !== 'read' || approved === null || shared.length === 0)
    return {
      id,
      ok: null,
      detail:
        'no state was approved yet that this one could be compared with: go through `aem-reseal start` and `aem-reseal resume` with the device you boot from first',
    }
  const constant = listConstantPcrs(registers, selected)
  if (constant.length > 0)
    return {
      id,
      ok: false,
      detail: `PCR ${constant.join(', ')} of this boot holds a public constant: nothing was measured into it, so it vouches for nothing`,
    }
  if (approved.proof === 'not-proven') return unproven(approved)
  const own = findOwnRegisters(look.ledger, approved, label)
  if (own === null)
    return {
      id,
      ok: false,
      detail: `no boot from ${label ?? 'the device this boot came from'} was approved, so nothing is sealed from here: boot the device that was, and seal this one forward from there`,
    }
  const isOther = (value: string | undefined, wanted: string | undefined): boolean =>
    wanted === undefined || value !== wanted
  const now = selected.filter(
    (index) =>
      isOther(registers[index], own[index]) ||
      (shared.includes(index) && isOther(registers[index], approved.registers[index])),
  )
  if (now.length > 0)
    return {
      id,
      ok: false,
      detail: `PCR ${now.join(', ')} of this boot is not as it was approved at ${approved.at}: nothing is sealed from here`,
    }
  const next =
    predicted === null ? [] : shared.filter((index) => isOther(predicted[index], approved.registers[index]))
  if (next.length > 0)
    return {
      id,
      ok: false,
      detail: `its next boot would have another PCR ${next.join(', ')} than was approved at ${approved.at}: it would boot another tboot or Xen, or another SINIT`,
    }
  return { id, ok: true, detail: `as it was approved at ${approved.at}` }
}

function unproven({ at }: ApprovedState): GateCheck {
  const detail = `the state accepted at ${at} is not proven: what Xen measured could not be computed, so nothing is sealed forward on it`
  return { id: 'approved-state', ok: false, detail }
}

/**
 * Is this boot in a state that was accepted without a proof? Then nothing is sealed forward from it.
 * @returns null where it is not
 */
export function checkProven(
  look: LedgerLook,
  boot: Pick<PresentBoot, 'selected' | 'registers'>,
): GateCheck | null {
  const approved = look.state === 'read' ? look.ledger.approved : null
  if (approved?.proof !== 'not-proven') return null
  // A register that is not known may be the accepted one.
  const isOther = boot.selected.some((index) => {
    const [value, wanted] = [boot.registers[index], approved.registers[index]]
    return value !== undefined && wanted !== undefined && value !== wanted
  })
  return isOther ? null : unproven(approved)
}

/**
 * All selected registers that a boot from this device may have: those accepted on it, else its last approved state. A
 * verification says nothing here: AEM's own seal makes any state verify.
 */
function findOwnRegisters(
  ledger: DeviceLedger,
  approved: ApprovedState,
  label: string | null,
): Values | null {
  if (label === null) return null
  if (label === approved.label) return approved.registers
  return findApprovedState(ledger, label)?.registers ?? null
}
