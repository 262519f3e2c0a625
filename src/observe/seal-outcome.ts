import { labelOf } from '../core/aem/devices.ts'
import { decideSealOutcome } from '../core/decide/seal-outcome.ts'
import type { Host } from '../host/host.ts'
import { findBootedDevice, observeDevices } from './devices.ts'
import { type MachineFacts, observeMachine } from './machine.ts'
import { observeSealState, SEAL_UNIT, type SealState } from './seal-state.ts'
import { observeSealedCopy, observeTpmId, type SealedCopy } from './sealed.ts'

export type ObservedSeal = {
  readonly outcome: ReturnType<typeof decideSealOutcome>
  readonly state: SealState
  readonly sealedInThisBoot: boolean | null
}

/** What AEM did in this boot, with the facts behind it. */
export async function observeSealOutcome(host: Host): Promise<ObservedSeal> {
  const machine = await observeMachine(host)
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
  })
  return { outcome, state, sealedInThisBoot }
}

/** The sealed freshness token is written last but one in every seal; its time tells the boot. */
function decideSealedInThisBoot(copy: SealedCopy | null, machine: MachineFacts): boolean | null {
  if (copy === null || machine.bootTime === null) return null
  const token = copy.files.find((file) => file.name === 'secret.fre.sealed2')
  if (!token) return false
  return token.mtimeMs === null ? null : token.mtimeMs >= Date.parse(machine.bootTime)
}
