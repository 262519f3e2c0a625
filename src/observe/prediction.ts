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
import { type AemDevice, findBootedDevice, observeDevices } from './devices.ts'
import {
  type BootDeviceLaunch,
  LAUNCH_BANKS,
  observeBootDeviceLaunch,
  observeLog,
  observeOtherDeviceLaunch,
} from './launch.ts'
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
  /** SHA-256 of the files of the next boot as they are stored, by path as GRUB names it; of the very bytes that were predicted. */
  readonly stored: Readonly<Record<string, string | undefined>>
}

/** Another device than the one this boot came from. */
export type PredictionTarget = {
  readonly device: AemDevice
  /** SHA-256 of what is known of its initramfs files, by path as GRUB names it (device-ledger.ts, knownFiles). */
  readonly known: ReadonlyMap<string, string>
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

type Place = {
  readonly machine: MachineFacts
  /** The device of the next boot. */
  readonly device: AemDevice | null
  readonly launch: BootDeviceLaunch & { readonly nextImages?: BootDeviceLaunch['images'] }
  /** The device this boot came from. */
  readonly booted: AemDevice | null
  /** Of another device; null where the next boot is from the one this boot came from. */
  readonly known: PredictionTarget['known'] | null
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
      faultsOf(component, owners.get(component.path ?? '') ?? UNOWNED, place, hasNewInputs),
    )
    if (pcr.predicted !== null) for (const fault of faults) unvouched.add(fault)
    const components = pcr.components.map((component) => {
      const owner = owners.get(component.path ?? '')?.owner ?? null
      const named = owner === null ? null : { name: owner.name, evr: owner.evr, signer: owner.signer }
      return { ...component, package: named }
    })
    return { ...pcr, vouched: faults.length === 0, components }
  })
  return { prediction: { ...raw, pcrs }, unvouched: [...unvouched] }
}

/** A file of the next boot: the package that vouches for it, and its digest on the device as it is stored. */
type Owned = {
  readonly owner: OwnerFacts | null
  readonly sha256: string | null
}

const UNOWNED: Owned = { owner: null, sha256: null }

/** Why nobody vouches for a component of the next boot; empty when somebody does, or when it does not change. */
function faultsOf(
  component: Component,
  { owner, sha256 }: Owned,
  place: Place,
  hasNewInputs: boolean | null,
): readonly string[] {
  if (!component.changed) return []
  const name = component.path ?? component.role
  const faults: string[] = []
  if (commandLineOf(component.role, place) !== component.commandLine) {
    faults.push(`${name}: its command line in grub.cfg is not the one this boot used`)
  }
  if (component.role === 'initramfs') {
    const fault = initramfsFault(name, sha256, place, hasNewInputs)
    return fault === null ? faults : [...faults, fault]
  }
  if (owner === null) return [...faults, `${name} belongs to no package`]
  if (!owner.signerKnown) faults.push(`${name}: ${owner.name} is not signed by a known key`)
  if (sha256 === null || sha256 !== owner.sha256)
    faults.push(`${name} is not the file of ${owner.name} ${owner.evr}`)
  return faults
}

/** What this boot used for a role; on another device the same, but for that device's own UUID. */
function commandLineOf(
  role: Component['role'],
  { launch, device, booted, known }: Place,
): string | undefined {
  const { entry } = launch.booted
  const used = [entry?.launcher, ...(entry?.modules ?? [])].find((file) => file?.role === role)?.commandLine
  if (known === null || used === undefined) return used
  const [from, to] = [booted?.uuid, device?.uuid]
  if (!from || !to) return undefined
  const words = used.split(' ').map((word) => (word === `aem.uuid=${from}` ? `aem.uuid=${to}` : word))
  return words.join(' ')
}

/** RPM keeps no digest of an initramfs: an update that makes a new one, or that it was made or seen measured by this program, has to do. */
function initramfsFault(
  name: string,
  sha256: string | null,
  { known }: Place,
  hasNewInputs: boolean | null,
): string | null {
  if (known !== null)
    return sha256 !== null && known.get(name) === sha256
      ? null
      : `${name} was neither made by this program nor measured in a verified boot: nobody can say what is in it`
  if (hasNewInputs === true) return null
  return `${name} is not the one this boot used, and no package it is made from was updated since`
}

async function observeOwners(
  host: Host,
  raw: LaunchPrediction,
  { images, nextImages }: Place['launch'],
): Promise<ReadonlyMap<string, Owned>> {
  const trusted = await observeTrustedKeys(host)
  const owners = new Map<string, Owned>()
  for (const { path } of raw.pcrs.flatMap((pcr) => pcr.components)) {
    if (path === null || owners.has(path)) continue
    const owner = await observeOwner(host, `/boot${path}`, trusted)
    owners.set(path, { owner, sha256: (nextImages ?? images)[path]?.storedDigests.sha256 ?? null })
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
