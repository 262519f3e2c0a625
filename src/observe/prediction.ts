import { gunzipSync } from 'node:zlib'
import { Failure } from '../core/failure.ts'
import type { LaunchLog } from '../core/launch/launch-log.ts'
import { mleHashes } from '../core/launch/mle-hash.ts'
import { PCR } from '../core/launch/pcr.ts'
import type { PredictionInput } from '../core/launch/predict.ts'
import { isCompletePrediction, predictLaunch } from '../core/launch/predict.ts'
import { predictLuksPcr } from '../core/launch/predict-luks.ts'
import type { LaunchPrediction } from '../core/launch/prediction.ts'
import type { Host } from '../host/host.ts'
import { findBootedDevice, observeDevices } from './devices.ts'
import {
  type BootDeviceLaunch,
  LAUNCH_BANKS,
  observeBootDeviceLaunch,
  observeLog,
  observeOtherDeviceLaunch,
} from './launch.ts'
import { observeLuksPcr } from './luks-headers.ts'
import { type MachineFacts, observeMachine } from './machine.ts'
import { observeOwner } from './owner.ts'
import { observeNewest, observeTrustedKeys } from './packages.ts'
import { observeTpm, type TpmFacts } from './tpm.ts'
import { addPackages, type Place, type Prediction, type PredictionTarget } from './vouch.ts'

/** Largest unpacked tboot image that is looked into; real ones have some hundred KiB. */
const MAX_TBOOT_BYTES = 64 * 1024 * 1024

export type ObservedPrediction = {
  readonly prediction: Prediction
  readonly outcome: 'complete' | 'partial' | 'refused' | 'unvouched'
  /** What nobody vouches for, in words. */
  readonly unvouched: readonly string[]
  /** SHA-256 of the files of the next boot as they are stored, by path as GRUB names it; of the very bytes that were predicted. */
  readonly stored: Readonly<Record<string, string | undefined>>
}

/**
 * Predicts the launch registers of the next boot from what lies on the device now.
 * @param target the device of that boot; null: the one this boot came from
 */
export async function observePrediction(
  host: Host,
  selectedPcrs: readonly number[],
  target: PredictionTarget | null = null,
): Promise<ObservedPrediction> {
  const machine = await observeMachine(host)
  const tpm = await observeTpm(host)
  const booted = findBootedDevice(await observeDevices(host, machine), machine.aemUuid)
  const device = target?.device ?? booted
  const log = await observeLog(host)
  const launch: Place['launch'] = target
    ? await observeOtherDeviceLaunch(host, booted, target.device, machine, log)
    : await observeBootDeviceLaunch(host, device, machine, log)
  const place: Place = { machine, device, launch, booted, known: target?.known ?? null }
  const bank = tpm.bank ?? 'sha256'
  const raw = predictLaunch({
    log,
    pcrsNow: { [bank]: tpm.pcrs[bank] ?? {} },
    booted: launch.booted.entry,
    images: launch.images,
    ...(launch.nextImages ? { nextImages: launch.nextImages } : {}),
    next: launch.next,
    selected: selectedPcrs,
    mleNow: computeMle(launch),
    unchanged: await observeUnchanged(host, log, place),
  })
  const luks = selectedPcrs.includes(PCR.luksHeaders) ? [await observeLuksRow(host, machine, tpm, raw)] : []
  const { prediction, unvouched } = await addPackages(host, raw, place)
  const isVouched = unvouched.length === 0
  return {
    prediction: { ...prediction, pcrs: [...luks, ...prediction.pcrs] },
    outcome: isVouched ? decideOutcome(raw, luks) : 'unvouched',
    unvouched,
    stored: Object.fromEntries(
      Object.entries(launch.nextImages ?? launch.images).map(([path, image]) => [
        path,
        image.storedDigests.sha256,
      ]),
    ),
  }
}

/** A prediction is complete by its launch registers; headers that are known to have changed take that back. */
function decideOutcome(
  raw: LaunchPrediction,
  luks: readonly { readonly code: string | null }[],
): 'complete' | 'partial' | 'refused' {
  if (raw.pcrs.every((pcr) => pcr.predicted === null)) return 'refused'
  const isChanged = luks.some(({ code }) => code === 'luks-header-changed')
  return isCompletePrediction(raw) && !isChanged ? 'complete' : 'partial'
}

/** PCR 13, which the launch does not fill. */
async function observeLuksRow(host: Host, machine: MachineFacts, tpm: TpmFacts, raw: LaunchPrediction) {
  const bank = tpm.bank === 'sha1' ? 'sha1' : 'sha256'
  const now = tpm.pcrs[bank]?.[PCR.luksHeaders] ?? null
  const headers =
    raw.refusal === null
      ? await observeLuksPcr(host, machine.kernelCommandLine, bank)
      : { why: 'nothing of the launch is predicted' }
  return { ...predictLuksPcr(bank, now, headers, raw.refusal), components: [], vouched: true }
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

/** Evidence beside the log that the launched program, SINIT and policy are those of this boot. */
async function observeUnchanged(
  host: Host,
  log: LaunchLog | Failure,
  { launch, machine }: Place,
): Promise<PredictionInput['unchanged']> {
  const { bootTime } = machine
  const isKnown = !(log instanceof Failure)
  const launcher =
    isKnown && log.kind === 'trenchboot'
      ? await isXenOfBoot(host, launch, bootTime)
      : await isTbootOfBoot(host, bootTime)
  // A policy written to the TPM in this boot would make the prediction wrong, never a wrong state look right.
  return { launcher, sinit: launch.sinitUnchanged, policy: isKnown ? log.defaultPolicy : null }
}

async function isTbootOfBoot(host: Host, bootTime: string | null): Promise<boolean | null> {
  const tboot = await observeNewest(host, 'tboot')
  return tboot === null || bootTime === null ? null : tboot.installedAt <= bootTime
}

/** Under TrenchBoot Xen is launched: the file of a package that was there before this boot, from the entry of this boot. */
async function isXenOfBoot(
  host: Host,
  launch: Place['launch'],
  bootTime: string | null,
): Promise<boolean | null> {
  const path = launch.next.entry?.launcher?.path ?? null
  const own = path === null ? undefined : (launch.nextImages ?? launch.images)[path]?.storedDigests.sha256
  if (path === null || own === undefined || bootTime === null) return null
  const owner = await observeOwner(host, `/boot${path}`, await observeTrustedKeys(host))
  if (owner === null) return null
  const isSamePath = path === launch.booted.entry?.launcher?.path
  return isSamePath && own === owner.sha256 && owner.installedAt <= bootTime
}
