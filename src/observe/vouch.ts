import type { LaunchPrediction } from '../core/launch/prediction.ts'
import type { Host } from '../host/host.ts'
import type { AemDevice } from './devices.ts'
import type { BootDeviceLaunch } from './launch.ts'
import type { MachineFacts } from './machine.ts'
import { type OwnerFacts, observeOwner } from './owner.ts'
import { observeNewest, observeTrustedKeys } from './packages.ts'

/*
 * Who vouches for what the next boot would measure: the other half of a prediction. Registers are arithmetic
 * (core/launch/predict.ts); whether they may be sealed to is asked here.
 */

export type Prediction = Omit<LaunchPrediction, 'pcrs'> & {
  readonly pcrs: readonly (Omit<LaunchPrediction['pcrs'][number], 'components'> & {
    /** Everything that changes this register is vouched for: by a verified package, or by the update that made it. */
    readonly vouched: boolean
    readonly components: readonly (Omit<LaunchPrediction['pcrs'][number]['components'][number], 'package'> & {
      readonly package: { readonly name: string; readonly evr: string; readonly signer: string | null } | null
    })[]
  })[]
}

/** Another device than the one this boot came from. */
export type PredictionTarget = {
  readonly device: AemDevice
  /** SHA-256 of what is known of its initramfs files, by path as GRUB names it (device-ledger.ts, knownFiles). */
  readonly known: ReadonlyMap<string, string>
}

/** A prediction's boots: what was booted, and what boots next. */
export type Place = {
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
export async function addPackages(
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
  if (owner.signatureFault !== null) faults.push(`${name}: ${owner.name} ${owner.signatureFault}`)
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

/** RPM keeps no digest of an initramfs: an update that makes a new one has to do, or that this program knows the very file. */
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
