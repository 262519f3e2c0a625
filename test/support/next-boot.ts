import { Failure } from '../../src/core/failure.ts'
import type { BootEntry, ModuleRole } from '../../src/core/launch/boot-entry.ts'
import type { LaunchLog } from '../../src/core/launch/launch-log.ts'
import type { LaunchPrediction, PredictedComponent, PredictedPcr } from '../../src/core/launch/prediction.ts'
import { makeSimulatedHost } from '../../src/host/simulated/host.ts'
import { SELECTED_PCRS, type SimMachine } from '../../src/host/simulated/model.ts'
import { observeDom0 } from '../../src/observe/dom0/dom0.ts'
import {
  type NextBoot,
  type ObservedPrediction,
  observeNextBoot,
  vouchNextBoot,
} from '../../src/observe/launch/prediction.ts'
import { NO_EVIDENCE, type Place, type VouchEvidence } from '../../src/observe/launch/vouch-evidence.ts'

/** The next boot of the built-in machine as it was read, and what comes of it where something in it is other. */
export type LookedAt = {
  readonly next: NextBoot
  readonly entry: BootEntry
  readonly log: LaunchLog
  readonly vouch: (
    change: Partial<NextBoot>,
    evidence?: Partial<VouchEvidence>,
  ) => Promise<ObservedPrediction>
}

export async function lookAt(machine: SimMachine): Promise<LookedAt> {
  const host = makeSimulatedHost(machine)
  const next = await observeNextBoot(observeDom0(host), [...SELECTED_PCRS])
  const { entry } = next.place.launch.next
  const { log } = next.place
  if (entry === null || log instanceof Failure) throw new Error('the built-in machine has both')
  const vouch: LookedAt['vouch'] = (change, evidence = {}) =>
    vouchNextBoot(observeDom0(host), { ...next, ...change }, { ...NO_EVIDENCE, ...evidence })
  return { next, entry, log, vouch }
}

/** Changes the place: the machine, the devices, the log. */
export function placeWith({ next }: LookedAt, change: Partial<Place>): { readonly place: Place } {
  return { place: { ...next.place, ...change } }
}

/** Changes what was read of the device. */
export function launchWith(looked: LookedAt, change: Partial<Place['launch']>): { readonly place: Place } {
  return placeWith(looked, { launch: { ...looked.next.place.launch, ...change } })
}

/** Changes the entry that boots next. */
export function entryWith(looked: LookedAt, change: Partial<BootEntry>): { readonly place: Place } {
  return launchWith(looked, { next: { entry: { ...looked.entry, ...change }, why: null } })
}

/** Changes each predicted register. */
export function rowsWith(
  { next }: LookedAt,
  change: (pcr: PredictedPcr) => Partial<PredictedPcr>,
): { readonly raw: LaunchPrediction } {
  return { raw: { ...next.raw, pcrs: next.raw.pcrs.map((pcr) => ({ ...pcr, ...change(pcr) })) } }
}

/** Changes the predicted component of a role. */
export function componentWith(
  looked: LookedAt,
  role: ModuleRole,
  change: Partial<PredictedComponent>,
): { readonly raw: LaunchPrediction } {
  return rowsWith(looked, (pcr) => ({
    components: pcr.components.map((one) => (one.role === role ? { ...one, ...change } : one)),
  }))
}

/** What vouches for the component of a role. */
export function vouchedByOf({ prediction }: ObservedPrediction, role: ModuleRole) {
  return prediction.pcrs.flatMap(({ components }) => components).find((one) => one.role === role)?.vouchedBy
}
