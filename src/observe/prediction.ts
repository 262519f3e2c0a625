import { gunzipSync } from 'node:zlib'
import { Failure } from '../core/failure.ts'
import { mleHashes } from '../core/launch/mle-hash.ts'
import type { PredictionInput } from '../core/launch/predict.ts'
import { isCompletePrediction, predictLaunch } from '../core/launch/predict.ts'
import type { LaunchPrediction } from '../core/launch/prediction.ts'
import type { Host } from '../host/host.ts'
import { findBootedDevice, observeDevices } from './devices.ts'
import { type BootDeviceLaunch, LAUNCH_BANKS, observeBootDeviceLaunch, observeLog } from './launch.ts'
import { observeMachine } from './machine.ts'
import { type OwnerFacts, observeOwner } from './owner.ts'
import { observeNewest, observeTrustedKeys } from './packages.ts'
import { observeTpm } from './tpm.ts'

/** Largest unpacked tboot image that is looked into; real ones have some hundred KiB. */
const MAX_TBOOT_BYTES = 64 * 1024 * 1024

export type Prediction = Omit<LaunchPrediction, 'pcrs'> & {
  readonly pcrs: readonly (Omit<LaunchPrediction['pcrs'][number], 'components'> & {
    readonly components: readonly (Omit<LaunchPrediction['pcrs'][number]['components'][number], 'package'> & {
      readonly package: { readonly name: string; readonly evr: string; readonly signer: string | null } | null
    })[]
  })[]
}

export type ObservedPrediction = {
  readonly prediction: Prediction
  readonly outcome: 'complete' | 'partial' | 'refused'
}

/** Predicts the launch registers of the next boot from what lies on the device now. */
export async function observePrediction(
  host: Host,
  selectedPcrs: readonly number[],
): Promise<ObservedPrediction> {
  const machine = await observeMachine(host)
  const tpm = await observeTpm(host)
  const device = findBootedDevice(await observeDevices(host, machine), machine.aemUuid)
  const launch = await observeBootDeviceLaunch(host, device, machine)
  const log = await observeLog(host)
  const bank = tpm.bank ?? 'sha256'
  const raw = predictLaunch({
    log,
    pcrsNow: { [bank]: tpm.pcrs[bank] ?? {} },
    booted: launch.booted.entry,
    images: launch.images,
    next: launch.next,
    selected: selectedPcrs,
    mleNow: computeMle(launch),
    unchanged: await observeUnchanged(host, log, launch, machine.bootTime),
  })
  const isAny = raw.pcrs.some((pcr) => pcr.predicted !== null)
  const outcome = isCompletePrediction(raw) ? 'complete' : isAny ? 'partial' : 'refused'
  return { prediction: await addPackages(host, raw), outcome }
}

function computeMle(launch: BootDeviceLaunch): PredictionInput['mleNow'] {
  const { tboot, next } = launch
  if (tboot === null || next.entry?.launcher == null || next.entry.flavour !== 'tboot') return null
  try {
    const image = tboot[0] === 0x1f ? gunzipSync(tboot, { maxOutputLength: MAX_TBOOT_BYTES }) : tboot
    return mleHashes(image, next.entry.launcher.commandLine, LAUNCH_BANKS)
  } catch {
    // Not an image this program can measure itself: then only other evidence says that tboot is the same.
    return null
  }
}

/** Evidence beside the log that tboot, SINIT and policy are those of this boot. */
async function observeUnchanged(
  host: Host,
  log: Awaited<ReturnType<typeof observeLog>>,
  launch: BootDeviceLaunch,
  bootTime: string | null,
): Promise<PredictionInput['unchanged']> {
  const tboot = await observeNewest(host, 'tboot')
  const isOlder = tboot === null || bootTime === null ? null : tboot.installedAt <= bootTime
  const isDefaultPolicy = log === null || log instanceof Failure ? null : log.defaultPolicy
  // A policy written to the TPM in this boot would make the prediction wrong, never a wrong state look right.
  return { launcher: isOlder, sinit: launch.sinitUnchanged, policy: isDefaultPolicy }
}

async function addPackages(host: Host, raw: LaunchPrediction): Promise<Prediction> {
  const trusted = await observeTrustedKeys(host)
  const known = new Map<string, OwnerFacts | null>()
  const pcrs = []
  for (const pcr of raw.pcrs) {
    const components = []
    for (const component of pcr.components) {
      const { path } = component
      if (path !== null && !known.has(path))
        known.set(path, await observeOwner(host, `/boot${path}`, trusted))
      const owner = path === null ? null : (known.get(path) ?? null)
      components.push({
        ...component,
        package: owner === null ? null : { name: owner.name, evr: owner.evr, signer: owner.signer },
      })
    }
    pcrs.push({ ...pcr, components })
  }
  return { ...raw, pcrs }
}
