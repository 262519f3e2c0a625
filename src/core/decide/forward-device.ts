import type { LedgerLook } from '../session/device-ledger.ts'
import type { GateCheck } from './readiness.ts'

type Values = Readonly<Record<number, string>>

/**
 * A device is sealed forward only for the state that was approved on another one: the registers that all devices share
 * must hold the approved values now, and be predicted so for the device's own boot.
 *
 * @param shared of the selected registers (see `listSharedRegisters`)
 * @param present of this boot, in the bank AEM seals to
 * @param predicted for the device's next boot; null: not predicted yet
 */
export function checkApproved(
  look: LedgerLook,
  shared: readonly number[],
  present: Values,
  predicted: Values | null,
): GateCheck {
  const id = 'approved-state'
  const approved = look.state === 'read' ? look.ledger.approved : null
  if (approved === null || shared.length === 0)
    return {
      id,
      ok: null,
      detail:
        'no state was approved yet that this one could be held against: go through `aem-reseal start` and `aem-reseal resume` with the device you boot from first',
    }
  const differing = (values: Values): readonly number[] =>
    shared.filter(
      (index) => approved.registers[index] === undefined || values[index] !== approved.registers[index],
    )
  const now = differing(present)
  if (now.length > 0)
    return {
      id,
      ok: false,
      detail: `PCR ${now.join(', ')} of this boot is not as it was approved at ${approved.at}: nothing is sealed from here`,
    }
  const next = predicted === null ? [] : differing(predicted)
  if (next.length > 0)
    return {
      id,
      ok: false,
      detail: `its next boot would have another PCR ${next.join(', ')} than was approved at ${approved.at}: it would boot another tboot or Xen, or another SINIT`,
    }
  return { id, ok: true, detail: `as it was approved at ${approved.at}` }
}
