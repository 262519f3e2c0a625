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
import { type BootDeviceLaunch, LAUNCH_BANKS, observeBootDeviceLaunch, observeLog } from './launch.ts'
import { observeLuksPcr } from './luks-headers.ts'
import { type MachineFacts, observeMachine } from './machine.ts'
import { type OwnerFacts, observeOwner } from './owner.ts'
import { observeNewest, observeTrustedKeys } from './packages.ts'
import { observeTpm, type TpmFacts } from './tpm.ts'

/** Largest unpacked tboot image that is looked into; real ones have some hundred KiB. */
const MAX_TBOOT_BYTES = 64 * 1024 * 1024

export type Prediction = Omit<LaunchPrediction, 'pcrs'> & {
  readonly pcrs: readonly (Omit<LaunchPrediction['pcrs'][number], 'components'> & {
    /** Everything that changes this register is vouched for: by a verified package, or by the update that made it. */
    readonly vouched: boolean
    readonly components: readonly (Omit<LaunchPrediction['pcrs'][number]['components'][number], 'package'> & {
      readonly package: { readonly name: string; readonly evr: string; readonly signer: string | null } | null
    })[]
  })[]
}

export type ObservedPrediction = {
  readonly prediction: Prediction
  readonly outcome: 'complete' | 'partial' | 'refused' | 'unvouched'
  /** What nobody vouches for, in words. */
  readonly unvouched: readonly string[]
}

/** Predicts the launch registers of the next boot from what lies on the device now. */
export async function observePrediction(
  host: Host,
  selectedPcrs: readonly number[],
): Promise<ObservedPrediction> {
  const machine = await observeMachine(host)
  const tpm = await observeTpm(host)
  const device = findBootedDevice(await observeDevices(host, machine), machine.aemUuid)
  const log = await observeLog(host)
  const launch = await observeBootDeviceLaunch(host, device, machine, log)
  const bank = tpm.bank ?? 'sha256'
  const raw = predictLaunch({
    log,
    pcrsNow: { [bank]: tpm.pcrs[bank] ?? {} },
    booted: launch.booted.entry,
    images: launch.images,
    next: launch.next,
    selected: selectedPcrs,
    mleNow: computeMle(launch),
    unchanged: await observeUnchanged(host, log, { machine, launch }),
  })
  const luks = selectedPcrs.includes(PCR.luksHeaders) ? [await observeLuksRow(host, machine, tpm, raw)] : []
  const { prediction, unvouched } = await addPackages(host, raw, { machine, launch })
  const isVouched = unvouched.length === 0
  return {
    prediction: { ...prediction, pcrs: [...luks, ...prediction.pcrs] },
    outcome: isVouched ? decideOutcome(raw, luks) : 'unvouched',
    unvouched,
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
  launch: BootDeviceLaunch,
  bootTime: string | null,
): Promise<boolean | null> {
  const path = launch.next.entry?.launcher?.path ?? null
  const own = path === null ? undefined : launch.images[path]?.storedDigests.sha256
  if (path === null || own === undefined || bootTime === null) return null
  const owner = await observeOwner(host, `/boot${path}`, await observeTrustedKeys(host))
  if (owner === null) return null
  const isSamePath = path === launch.booted.entry?.launcher?.path
  return isSamePath && own === owner.sha256 && owner.installedAt <= bootTime
}

type Place = {
  readonly machine: MachineFacts
  readonly launch: BootDeviceLaunch
}

type Component = LaunchPrediction['pcrs'][number]['components'][number]

/** Names the package behind each component, and asks of each that changes whether anything vouches for it. */
async function addPackages(
  host: Host,
  raw: LaunchPrediction,
  place: Place,
): Promise<{ prediction: Prediction; unvouched: readonly string[] }> {
  const owners = await observeOwners(host, raw, place.launch)
  const hasNewInputs = await isInitramfsExpected(host, place.machine.bootTime)
  const unvouched = new Set<string>()
  const pcrs = raw.pcrs.map((pcr) => {
    const faults = pcr.components.flatMap((component) =>
      faultsOf(component, owners.get(component.path ?? '') ?? null, place.launch, hasNewInputs),
    )
    if (pcr.predicted !== null) for (const fault of faults) unvouched.add(fault)
    const components = pcr.components.map((component) => {
      const owner = owners.get(component.path ?? '') ?? null
      const named = owner === null ? null : { name: owner.name, evr: owner.evr, signer: owner.signer }
      return { ...component, package: named }
    })
    return { ...pcr, vouched: faults.length === 0, components }
  })
  return { prediction: { ...raw, pcrs }, unvouched: [...unvouched] }
}

/** Why nobody vouches for a component of the next boot; empty when somebody does, or when it does not change. */
function faultsOf(
  component: Component,
  owner: (OwnerFacts & { readonly isOnDevice: boolean }) | null,
  launch: BootDeviceLaunch,
  hasNewInputs: boolean | null,
): readonly string[] {
  if (!component.changed) return []
  const name = component.path ?? component.role
  const before = [launch.booted.entry?.launcher, ...(launch.booted.entry?.modules ?? [])].find(
    (file) => file?.role === component.role,
  )
  const faults: string[] = []
  if (before?.commandLine !== component.commandLine) {
    faults.push(`${name}: its command line in grub.cfg is not the one this boot used`)
  }
  if (component.role === 'initramfs') {
    return hasNewInputs === true
      ? faults
      : [...faults, `${name} is not the one this boot used, and no package it is made from was updated since`]
  }
  if (owner === null) return [...faults, `${name} belongs to no package`]
  if (!owner.signerKnown) faults.push(`${name}: ${owner.name} is not signed by a known key`)
  if (!owner.isOnDevice) faults.push(`${name} is not the file of ${owner.name} ${owner.evr}`)
  return faults
}

async function observeOwners(host: Host, raw: LaunchPrediction, launch: BootDeviceLaunch) {
  const trusted = await observeTrustedKeys(host)
  const owners = new Map<string, (OwnerFacts & { isOnDevice: boolean }) | null>()
  for (const { path } of raw.pcrs.flatMap((pcr) => pcr.components)) {
    if (path === null || owners.has(path)) continue
    const owner = await observeOwner(host, `/boot${path}`, trusted)
    const own = launch.images[path]?.storedDigests.sha256
    owners.set(path, owner === null ? null : { ...owner, isOnDevice: own === owner.sha256 })
  }
  return owners
}

/** Packages whose update makes a new initramfs (dracut's own, and those that call it when they are installed). */
const INITRAMFS_INPUTS = [
  'kernel',
  'kernel-latest',
  'dracut',
  'microcode_ctl',
  'amd-ucode-firmware',
  'anti-evil-maid',
]

/** Was one of them updated since this boot began? null when that cannot be told. */
async function isInitramfsExpected(host: Host, bootTime: string | null): Promise<boolean | null> {
  if (bootTime === null) return null
  const installed = await Promise.all(INITRAMFS_INPUTS.map((name) => observeNewest(host, name)))
  return installed.some((item) => item !== null && item.installedAt > bootTime)
}
