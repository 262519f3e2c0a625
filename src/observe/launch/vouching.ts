import { Failure } from '../../core/failure.ts'
import type { Reproduction } from '../../core/initramfs/reproduction.ts'
import { listMeasuredFiles } from '../../core/launch/boot-entry.ts'
import { originalPath } from '../../core/launch/efi-entry.ts'
import type { Digests, LaunchLog } from '../../core/launch/launch-log.ts'
import { listNextModules } from '../../core/launch/next-modules.ts'
import { type Bank, PCR } from '../../core/launch/pcr.ts'
import type { LaunchPrediction, PredictedComponent } from '../../core/launch/prediction.ts'
import { type BootLines, exchangeAemUuid, proveCommandLine } from '../../core/vouch/command-line.ts'
import { kernelReleaseOf } from '../../core/vouch/roles.ts'
import {
  type FileOwner,
  findContradictions,
  type Vouched,
  type VouchFacts,
  vouchCommandLine,
  vouchComponent,
} from '../../core/vouch/vouch.ts'
import type { Acceptance, OpenLook, OpenQuestion, VouchedBy } from '../../core/vouch/vouched-by.ts'
import type { AemDevice } from '../device/devices.ts'
import type { Dom0 } from '../dom0/dom0.ts'
import type { MachineFacts } from '../dom0/machine.ts'
import { observeOwner } from '../dom0/package-owner.ts'
import { observeNewest, observeTrustedKeys } from '../dom0/packages.ts'
import type { BootDeviceLaunch } from './launch.ts'

/*
 * The evidence for core/vouch: who vouches for what the next boot would measure. Registers are arithmetic
 * (core/launch/predict.ts); whether they may be sealed to is asked here.
 */

export type Prediction = Omit<LaunchPrediction, 'pcrs'> & {
  readonly pcrs: readonly (Omit<LaunchPrediction['pcrs'][number], 'components'> & {
    /** Something vouches for every component of this register. */
    readonly vouched: boolean
    readonly components: readonly VouchedComponent[]
  })[]
}

export type VouchedComponent = Omit<PredictedComponent, 'package'> & {
  readonly package: { readonly name: string; readonly evr: string; readonly signer: string | null } | null
  readonly vouchedBy: VouchedBy
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
  readonly log: LaunchLog | Failure
  /** tboot's MLE hash of the next boot was computed from its file: then its digest says whether it changed. */
  readonly isMleComputed: boolean
}

/** What was looked at or asked beyond the files themselves. */
export type VouchEvidence = {
  /** By path as GRUB names it. */
  readonly reproductions: ReadonlyMap<string, Reproduction>
  /** dom0's own grub2-mkconfig writes the next boot's entry; null: not asked. */
  readonly isRegenerated: boolean | null
  readonly accepted: readonly Acceptance[]
  /** Digests of images of earlier approved boots: one that was overwritten since still proves its command line. */
  readonly remembered: readonly Digests[]
}

export const NO_EVIDENCE: VouchEvidence = {
  reproductions: new Map(),
  isRegenerated: null,
  accepted: [],
  remembered: [],
}

export type VouchedPrediction = {
  readonly prediction: Prediction
  /** What nothing vouches for, each naming the file or the words. */
  readonly unvouched: readonly string[]
  readonly questions: readonly OpenQuestion[]
  readonly looks: readonly OpenLook[]
}

/** Names the package behind each component of a prediction, and says what vouches for it. */
export async function vouchPrediction(
  dom0: Dom0,
  raw: LaunchPrediction,
  place: Place,
  evidence: VouchEvidence,
): Promise<VouchedPrediction> {
  const owners = await observeOwners(dom0, raw, place)
  const faults = new Set<string>()
  const questions = new Map<string, OpenQuestion>()
  const looks = new Map<string, OpenLook>()
  const take = (found: Vouched): void => {
    for (const fault of found.faults) faults.add(fault)
    for (const one of found.questions) questions.set(JSON.stringify(one), one)
    for (const one of found.looks) looks.set(JSON.stringify(one), one)
  }
  const pcrs = raw.pcrs.map((pcr) => {
    const components = pcr.components.map((component): VouchedComponent => {
      const owner = owners.get(component.path ?? '') ?? null
      const facts = factsOf(component, owner, raw, place, evidence)
      const found = isOfLines(place, pcr.index) ? vouchCommandLine(facts) : vouchComponent(facts)
      if (pcr.predicted !== null) take(found)
      const named = owner === null ? null : { name: owner.name, evr: owner.evr, signer: owner.signer }
      return { ...component, package: named, vouchedBy: found.vouchedBy }
    })
    return { ...pcr, vouched: components.every(({ vouchedBy }) => vouchedBy.rule !== null), components }
  })
  for (const fault of listUnaccounted(raw, place, pcrs)) faults.add(fault)
  for (const component of listUnpredicted(raw, place)) {
    const facts = factsOf(component, owners.get(component.path ?? '') ?? null, raw, place, evidence)
    if (facts.changed === null) for (const fault of findContradictions(facts)) faults.add(fault)
    else take(vouchComponent(facts))
  }
  return {
    prediction: { ...raw, pcrs },
    unvouched: [...faults],
    questions: [...questions.values()],
    looks: [...looks.values()],
  }
}

/** A register may only move for a component that is looked at: a module that is left out is none. */
function listUnaccounted(
  raw: LaunchPrediction,
  { launch, log }: Place,
  pcrs: Prediction['pcrs'],
): readonly string[] {
  const { entry, why } = launch.next
  // What GRUB would do with it is not known: a command that is none of AEM's, a file that cannot be read.
  if (entry === null && launch.isGrubRead === true)
    return [`the entry that boots next cannot be judged: ${why}`]
  if (entry === null || log instanceof Failure || !raw.calibrated) return []
  const next = listMeasuredFiles(entry, launch.nextImages ?? launch.images).length
  if (next < log.modules.length && pcrs.some(({ predicted }) => predicted !== null))
    return [`the entry loads ${next} modules, this boot measured ${log.modules.length}: one is left out`]
  return pcrs
    .filter(
      ({ now, predicted, components }) =>
        predicted !== null &&
        now !== predicted &&
        components.every(({ vouchedBy }) => vouchedBy.rule === 'unchanged'),
    )
    .map(({ index }) => `PCR ${index} would change, and nothing that is measured into it accounts for that`)
}

/** Under TrenchBoot PCR 18 holds no module: what is predicted of it are command lines. */
function isOfLines({ log }: Place, index: number): boolean {
  return !(log instanceof Failure) && log.kind === 'trenchboot' && index === PCR.launched
}

type Unpredicted = Pick<PredictedComponent, 'role' | 'path' | 'commandLine'> & {
  readonly changed: boolean | null
}

/**
 * Files of the next boot's entry that no predicted register speaks of. Where the rules are known, this boot's log still says
 * of a module whether it changed.
 */
function listUnpredicted(raw: LaunchPrediction, place: Place): readonly Unpredicted[] {
  const { launch, log } = place
  const { entry } = launch.next
  if (entry === null || entry.flavour === 'other') return []
  const covered = new Set(
    raw.pcrs.flatMap((pcr) =>
      pcr.predicted === null || isOfLines(place, pcr.index) ? [] : pcr.components.map(({ path }) => path),
    ),
  )
  const rule = raw.variant?.commandLine ?? null
  const modules = listNextModules(entry, launch.nextImages ?? launch.images, rule)
  return [entry.launcher, ...entry.modules].flatMap((file) => {
    if (file === null || covered.has(file.path)) return []
    const { role, path, commandLine } = file
    const index = modules.findIndex((module) => module.file.order === file.order)
    const logged = raw.calibrated && !(log instanceof Failure) ? log.modules[index] : undefined
    const isSame =
      logged === undefined ? null : isSameDigest(modules[index]?.digests ?? {}, logged.digests, raw.pcrs)
    return [{ role, path, commandLine, changed: isSame === null ? null : !isSame }]
  })
}

/** In every bank that is predicted in; null where none can be compared. */
function isSameDigest(
  made: Digests,
  logged: Digests,
  pcrs: readonly { readonly bank: Bank }[],
): boolean | null {
  const banks = [...new Set(pcrs.map(({ bank }) => bank))]
  const common = banks.filter((bank) => made[bank] !== undefined && logged[bank] !== undefined)
  return common.length === 0 ? null : common.every((bank) => made[bank] === logged[bank])
}

function factsOf(
  component: PredictedComponent | Unpredicted,
  owner: FileOwner | null,
  raw: LaunchPrediction,
  place: Place,
  evidence: VouchEvidence,
): VouchFacts {
  const { role, path, changed } = component
  const commandLine = component.commandLine ?? ''
  const { launch, machine, known, log } = place
  const isRead = !(log instanceof Failure)
  const isTboot = isRead && log.kind === 'tboot'
  const file = path ?? ''
  const sha256 = (launch.nextImages ?? launch.images)[file]?.storedDigests.sha256
  const kernel = launch.next.entry?.modules.find((one) => one.role === 'kernel')
  const isComputed = role !== 'mle' && (isTboot || role !== 'xen') ? true : place.isMleComputed
  return {
    role,
    path: path ?? role,
    commandLine,
    changed: isComputed ? changed : null,
    isLineMeasured: isTboot,
    line: proveCommandLine({
      role,
      line: asOfThisBoot(commandLine, place),
      kernelLine: kernel === undefined ? null : asOfThisBoot(kernel.commandLine, place),
      logged: loggedModule(component, place),
      rule: raw.variant?.commandLine ?? null,
      banks: [...new Set(raw.pcrs.map(({ bank }) => bank))],
      images: [...Object.values(launch.images).map(({ digests }) => digests), ...evidence.remembered],
      boot: bootLines(place),
    }),
    isRegenerated: evidence.isRegenerated,
    sha256: sha256 ?? null,
    owner,
    kernelRelease: kernelReleaseOf(kernel?.path ?? null),
    running: {
      kernelRelease: machine.kernelRelease,
      xen: machine.xen.version,
      tboot: isTboot ? log.version : null,
    },
    reproduction: evidence.reproductions.get(file) ?? null,
    isRemembered: sha256 !== undefined && known?.get(file) === sha256,
    accepted: evidence.accepted,
  }
}

function bootLines({ machine, log }: Place): BootLines {
  return {
    kernel: machine.kernelCommandLine,
    xen: machine.xen.commandLine,
    tboot: log instanceof Failure ? null : (log.launcherCommandLine ?? null),
  }
}

/** On another device the kernel's line names that device; all else must be as in this boot. */
function asOfThisBoot(line: string, { known, device, booted }: Place): string {
  return known !== null && device?.uuid && booted?.uuid
    ? exchangeAemUuid(line, device.uuid, booted.uuid)
    : line
}

/** What this boot measured in the place of a module of the next one. */
function loggedModule({ role, path }: PredictedComponent | Unpredicted, { launch, log }: Place) {
  const { entry } = launch.next
  if (entry === null || log instanceof Failure) return null
  const files = listMeasuredFiles(entry, launch.nextImages ?? launch.images)
  return log.modules[files.findIndex((file) => file.role === role && file.path === path)] ?? null
}

async function observeOwners(
  dom0: Dom0,
  raw: LaunchPrediction,
  place: Place,
): Promise<ReadonlyMap<string, FileOwner>> {
  const trusted = await observeTrustedKeys(dom0)
  const owners = new Map<string, FileOwner>()
  const paths = [...raw.pcrs.flatMap((pcr) => pcr.components), ...listUnpredicted(raw, place)].map(
    ({ path }) => path,
  )
  for (const path of new Set(paths)) {
    if (path === null) continue
    const owner = await observeOwner(dom0, `/boot${originalPath(path)}`, trusted)
    if (owner === null) continue
    const newest = (await observeNewest(dom0, owner.name))?.evr ?? null
    owners.set(path, { ...owner, newest })
  }
  return owners
}
