import { labelOf } from '../core/aem/devices.ts'
import { decideSealOutcome } from '../core/decide/seal-outcome.ts'
import type { HeldNote } from '../core/session/held-note.ts'
import type { Host } from '../host/host.ts'
import { findBootedDevice, observeDevices } from './devices.ts'
import { type MachineFacts, observeMachine } from './machine.ts'
import { observeSealState, SEAL_UNIT, type SealState } from './seal-state.ts'
import { observeSealedCopy, observeTpmId, type SealedCopy } from './sealed.ts'

export type ObservedSeal = {
  readonly outcome: ReturnType<typeof decideSealOutcome>
  readonly state: SealState
  readonly sealedInThisBoot: boolean | null
  /** The gate's note, when it is of this boot. */
  readonly heldNote: HeldNote | null
}

/**
 * What AEM did in this boot, with the facts behind it.
 * @param note the gate's note, of whatever boot
 */
export async function observeSealOutcome(host: Host, note: HeldNote | null = null): Promise<ObservedSeal> {
  const machine = await observeMachine(host)
  const heldNote = note !== null && note.bootId === machine.bootId ? note : null
  const state = await observeSealState(host)
  const device = findBootedDevice(await observeDevices(host, machine), machine.aemUuid)
  const label = device?.label ?? (state.cachedSuffix === null ? null : labelOf(state.cachedSuffix))
  const tpmId = await observeTpmId(host)
  const copy =
    tpmId === null || label === null ? null : await observeSealedCopy(host, '/var/lib', tpmId, label)
  const sealedInThisBoot = decideSealedInThisBoot(copy, machine)
  const heldByDropIn = state.unit?.dropIns.some((path) => path.includes(`${SEAL_UNIT}.d/`)) ?? false
  const outcome = decideSealOutcome({
    journal: state.journal,
    unit: state.unit,
    sealedInThisBoot,
    heldByDropIn,
    hasHeldNote: heldNote !== null,
  })
  return { outcome, state, sealedInThisBoot, heldNote }
}

/** The sealed freshness token is written last but one in every seal; its time tells the boot. */
function decideSealedInThisBoot(copy: SealedCopy | null, machine: MachineFacts): boolean | null {
  if (copy === null || machine.bootTime === null) return null
  const token = copy.files.find((file) => file.name === 'secret.fre.sealed2')
  if (!token) return false
  return token.mtimeMs === null ? null : token.mtimeMs >= Date.parse(machine.bootTime)
}
