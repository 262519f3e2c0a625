/* Long: one look: what goes into a prediction, in the order in which it is asked for. */

import { parseLuksUuids } from '../../core/aem/configuration.ts'
import { isSinceBoot } from '../../core/decide/since-boot.ts'
import { Failure } from '../../core/failure.ts'
import type { LaunchLog } from '../../core/launch/launch-log.ts'
import { PCR } from '../../core/launch/pcr.ts'
import type { PredictionInput } from '../../core/launch/predict.ts'
import { isCompletePrediction, predictLaunch } from '../../core/launch/predict.ts'
import { predictLuksPcr } from '../../core/launch/predict-luks.ts'
import type { LaunchPrediction } from '../../core/launch/prediction.ts'
import type { OpenLook, OpenQuestion } from '../../core/vouch/vouched-by.ts'
import type { Host } from '../../host/host.ts'
import { observeLuksPcr } from '../device/luks-headers.ts'
import type { Dom0 } from '../dom0/dom0.ts'
import type { MachineFacts } from '../dom0/machine.ts'
import { observeOwner } from '../dom0/package-owner.ts'
import { observeTrustedKeys } from '../dom0/packages.ts'
import { type BootDeviceLaunch, observeBootDeviceLaunch, observeOtherDeviceLaunch } from './launch.ts'
import type { TpmFacts } from './pcrs.ts'
import { hashTboot, hasTbootCapabilities } from './tboot-file.ts'
import {
  NO_EVIDENCE,
  type Place,
  type Prediction,
  type PredictionTarget,
  type VouchEvidence,
} from './vouch-evidence.ts'
import { vouchPrediction } from './vouching.ts'

export type ObservedPrediction = {
  readonly prediction: Prediction
  readonly outcome: 'complete' | 'partial' | 'refused' | 'unvouched'
  /** What nothing vouches for, in words. */
  readonly unvouched: readonly string[]
  /** Differences that a person may accept, and looks that take long: both may still vouch for what is unvouched. */
  readonly questions: readonly OpenQuestion[]
  readonly looks: readonly OpenLook[]
  /** SHA-256 of the files of the next boot as they are stored, by path as GRUB names it; of those same bytes that were predicted. */
  readonly stored: Readonly<Record<string, string | undefined>>
  /** Those of them that GRUB hands over as they are stored. */
  readonly asStored: readonly string[]
}

/** Everything of the next boot that was read and computed, before anybody asks what vouches for it. */
export type NextBoot = {
  readonly raw: LaunchPrediction
  readonly luks: readonly (Omit<LaunchPrediction['pcrs'][number], 'components'> & {
    readonly components: readonly []
    readonly vouched: true
  })[]
  /** UUIDs of the LUKS devices of this boot, where a header is not what it measured; null where none is known to be. */
  readonly luksChanged: { readonly uuids: readonly string[]; readonly value: string } | null
  readonly place: Place
}

/**
 * Predicts the launch registers of the next boot from what lies on the device now, and says what vouches for it.
 * @param target the device of that boot; null: the one this boot came from
 */
export async function observePrediction(
  dom0: Dom0,
  selectedPcrs: readonly number[],
  target: PredictionTarget | null = null,
  evidence: VouchEvidence = NO_EVIDENCE,
): Promise<ObservedPrediction> {
  return vouchNextBoot(dom0, await observeNextBoot(dom0, selectedPcrs, target), evidence)
}

/** The arithmetic of a prediction; each file is read once. */
export async function observeNextBoot(
  dom0: Dom0,
  selectedPcrs: readonly number[],
  target: PredictionTarget | null = null,
): Promise<NextBoot> {
  const { host } = dom0
  const machine = await dom0.machine()
  const tpm = await dom0.tpm()
  const booted = await dom0.booted()
  const device = target?.device ?? booted
  const log = await dom0.log()
  const launch: Place['launch'] = target
    ? await observeOtherDeviceLaunch(host, booted, target.device, machine, log)
    : await observeBootDeviceLaunch(host, device, machine, log)
  const mleNow = computeMle(launch)
  const place: Place = {
    machine,
    device,
    launch,
    booted,
    known: target?.known ?? null,
    log,
    isMleComputed: mleNow !== null,
  }
  const bank = tpm.bank ?? 'sha256'
  const raw = predictLaunch({
    log,
    pcrsNow: { [bank]: tpm.pcrs[bank] ?? {} },
    booted: launch.booted.entry,
    images: launch.images,
    ...(launch.nextImages ? { nextImages: launch.nextImages } : {}),
    next: launch.next,
    selected: selectedPcrs,
    mleNow,
    xen: launch.xen,
    sameCapabilities: compareCapabilities(launch, log),
    unchanged: await observeUnchanged(dom0, log, place),
  })
  if (!selectedPcrs.includes(PCR.luksHeaders)) return { raw, luks: [], luksChanged: null, place }
  const { row, value } = await observeLuksRow(host, machine, tpm, raw)
  const isChanged = row.code === 'luks-header-changed'
  const luksChanged =
    isChanged && value !== null ? { uuids: parseLuksUuids(machine.kernelCommandLine ?? ''), value } : null
  return { raw, luks: [row], luksChanged, place }
}

/** @param evidence what was looked at or asked beyond the files themselves */
export async function vouchNextBoot(
  dom0: Dom0,
  { raw, luks, place }: NextBoot,
  evidence: VouchEvidence,
): Promise<ObservedPrediction> {
  const { prediction, unvouched, questions, looks } = await vouchPrediction(dom0, raw, place, evidence)
  const { launch } = place
  return {
    asStored: Object.entries(launch.nextImages ?? launch.images).flatMap(([path, image]) =>
      image.digests.sha256 !== undefined && image.digests.sha256 === image.storedDigests.sha256 ? [path] : [],
    ),
    prediction: { ...prediction, pcrs: [...luks, ...prediction.pcrs] },
    outcome: unvouched.length === 0 ? decideOutcome(raw, luks) : 'unvouched',
    unvouched,
    questions,
    looks,
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
  const headers = await observeLuksPcr(host, machine.kernelCommandLine, bank)
  const row = {
    ...predictLuksPcr(bank, now, headers, raw.refusal),
    components: [] as const,
    vouched: true as const,
  }
  return { row, value: 'value' in headers ? headers.value : null }
}

/** tboot's file where it is what launches the next boot. */
function nextTboot({ tboot, next }: BootDeviceLaunch): Uint8Array | null {
  return next.entry?.flavour === 'tboot' ? tboot : null
}

function computeMle(launch: BootDeviceLaunch): PredictionInput['mleNow'] {
  const { launcher } = launch.next.entry ?? {}
  const tboot = nextTboot(launch)
  return tboot === null || launcher == null ? null : hashTboot(tboot, launcher.commandLine)
}

function compareCapabilities(launch: BootDeviceLaunch, log: LaunchLog | Failure): boolean | null {
  const logged = log instanceof Failure ? null : (log.sinitCapabilities ?? null)
  const tboot = nextTboot(launch)
  return tboot === null || logged === null ? null : hasTbootCapabilities(tboot, logged)
}

/**
 * Evidence beside the log that the launched program, SINIT and policy are those of this boot. It decides whether the logged
 * digests can stand for the next boot, never what they may be: a wrong guess makes a boot that shows no secret.
 */
async function observeUnchanged(
  dom0: Dom0,
  log: LaunchLog | Failure,
  { launch, machine }: Place,
): Promise<PredictionInput['unchanged']> {
  const isKnown = !(log instanceof Failure)
  const isTrenchBoot = isKnown && log.kind === 'trenchboot'
  return {
    launcher: await isLauncherOfBoot(dom0, launch, machine.bootTime, isTrenchBoot ? null : '/tboot.gz'),
    sinit: launch.sinitUnchanged,
    policy: isKnown ? log.defaultPolicy : null,
  }
}

/**
 * A launched program that cannot be hashed here is that of this boot only where the file is its package's, and the package
 * was there before this boot. One installed at a time after the present came with an earlier boot, whose clock was right.
 * @param name the only file it may be; null: that of this boot's entry
 */
async function isLauncherOfBoot(
  dom0: Dom0,
  launch: Place['launch'],
  bootTime: string | null,
  name: string | null,
): Promise<boolean | null> {
  const path = launch.next.entry?.launcher?.path ?? ''
  const own = (launch.nextImages ?? launch.images)[path]?.storedDigests.sha256
  if (own === undefined || bootTime === null) return null
  const owner = await observeOwner(dom0, `/boot${path}`, await observeTrustedKeys(dom0))
  if (owner === null) return null
  const isSamePath = path === (name ?? launch.booted.entry?.launcher?.path)
  const isSince = isSinceBoot(Date.parse(owner.installedAt), Date.parse(bootTime), dom0.host.now)
  return isSamePath && own === owner.sha256 && isSince !== true
}
