import { isVerifiedPackage, listMayChange } from '../../core/decide/confirm-update.ts'
import { isOfInitramfs, type LaterUpdate } from '../../core/decide/since-start.ts'
import { explainChange } from '../../core/launch/explain.ts'
import { DEVICE_OUT_ADVICE } from '../../core/launch/explain-advice.ts'
import type { ExplanationInput } from '../../core/launch/explain-types.ts'
import type { CommandLineRule } from '../../core/launch/module-digest.ts'
import { listMeasuredPcrs } from '../../core/launch/pcr.ts'
import type { Baseline, Session } from '../../core/session/checkpoint.ts'
import type { Versions } from '../../core/session/versions.ts'
import type { Host, Seen } from '../../host/host.ts'
import { findBootedDevice, isBootedPresent } from '../device/devices.ts'
import { type ConfirmedPackages, observeConfirmedPackages } from '../dom0/confirmed-packages.ts'
import type { Dom0 } from '../dom0/dom0.ts'
import { observeFlavour } from '../dom0/status.ts'
import { observeSealOutcome } from '../seal/seal-outcome.ts'
import { areLinesSame } from './boot-lines.ts'
import { observeChange } from './change-of-files.ts'
import { observeBootDeviceLaunch } from './launch.ts'
import { observeFiles } from './loaded-files.ts'
import { explainIncomparable, explainUnbooted, explainUnnoted, observeIncomparable } from './not-explained.ts'
import { registersOf, type TpmFacts } from './pcrs.ts'
import { observePrediction } from './prediction.ts'
import { nameOnDevice } from './prepared.ts'
import {
  type KeptReproductions,
  listVouchedImages,
  NOTHING_KEPT,
  observeLaterUpdates,
  type Reproduce,
  reproduceLater,
} from './since-start.ts'
import { type Before, chooseBefore } from './state-before.ts'
import { combine, type Explanation } from './verdict.ts'

export type ExplanationContext = {
  /** SHA-256 of each known initramfs of the device, by path as GRUB names it (device-ledger.ts, knownFiles). */
  readonly known?: ReadonlyMap<string, string>
  /** Makes an initramfs again; null: that look is not taken here. */
  readonly reproduce?: Reproduce | null
  /** The session stands for the last approved boot: packages since then are the update itself. */
  readonly isSinceApproved?: boolean
  /** SHA-256 of each file that the last approved boot came from, by path as GRUB names it. */
  readonly approvedFiles?: ReadonlyMap<string, string>
}

/**
 * What changed since the baseline (or since the accepted state), traced register by register, and compared with the
 * boot files that were confirmed. Either kind of evidence can make the verdict `unexplained`.
 * @param versions the record of versions confirmed in earlier sessions
 */
export async function observeExplanation(
  dom0: Dom0,
  session: Session,
  versions: Seen<Versions>,
  context: ExplanationContext = {},
): Promise<Explanation> {
  const { host } = dom0
  const { known = new Map<string, string>(), reproduce = null, isSinceApproved = false } = context
  const { approvedFiles = new Map<string, string>() } = context
  const machine = await dom0.machine()
  const { sealedInThisBoot } = await observeSealOutcome(dom0, session)
  const { baseline } = session
  if (baseline === null) return explainUnnoted(dom0, sealedInThisBoot)
  const tpm = await dom0.tpm()
  if (!isSinceApproved && machine.bootId !== null && baseline.bootId === machine.bootId)
    return explainUnbooted(dom0, session, baseline, sealedInThisBoot)
  const why = isSinceApproved ? null : await observeIncomparable(dom0, session)
  if (why !== null) return explainIncomparable(dom0, session, baseline, sealedInThisBoot, why)
  const all = await dom0.devices()
  const device = findBootedDevice(all.devices, machine.aemUuid)
  const place = chooseBefore(session, baseline, machine)
  const log = await dom0.log()
  const launch = await observeBootDeviceLaunch(host, device, machine, log)
  const confirmed = await observeConfirmedPackages(dom0, machine.bootTime, launch.booted.entry)
  const later = isSinceApproved ? [] : await observeLaterUpdates(dom0, baseline, confirmed)
  const isKnown = (path: string, sha256: string, now: KeptReproductions): boolean =>
    listVouchedImages(session, now).get(path) === sha256 || known.get(path) === sha256
  const isMeasured = (path: string, sha256: string): boolean =>
    isKnown(path, sha256, NOTHING_KEPT) ||
    (isSinceApproved ? approvedFiles.get(path) === sha256 : isRecorded(baseline, path, sha256))
  const packages = confirmed?.packages ?? []
  const behind = isSinceApproved ? listChanged(session, packages) : later
  const kept = await reproduceLater(launch, session, behind, isMeasured, reproduce)
  const isVouched = (path: string, sha256: string): boolean => isKnown(path, sha256, kept)
  const input: ExplanationInput = {
    before: { pcrs: { [baseline.bank]: place.pcrs }, components: place.components },
    pcrsNow: tpm.pcrs,
    log,
    booted: launch.booted.entry,
    rule: await observeRule(dom0, session, baseline),
    bank: baseline.bank,
    selected: baseline.selectedPcrs,
    prediction: place.prediction,
    files: await observeFiles(dom0, launch, session, isVouched),
    expectedPcrs: await extendMayChange(host, place, later),
    alreadyResealed: sealedInThisBoot,
    previousBootTime: place.previousBootTime,
    ...(isSinceApproved
      ? { packagesBefore: baseline.packages.map(({ name, evr }) => `${name} ${evr}`) }
      : {}),
    areLinesSame: areLinesSame(baseline, machine),
    acceptedLuks: place.acceptedLuks,
    isInitramfsUnmade: isSinceApproved && reproduce === null && behind.some(({ isVerified }) => isVerified),
    unapproved: isSinceApproved
      ? baseline.selectedPcrs.filter((index) => place.pcrs[index] === undefined)
      : [],
  }
  const beside = listChangedBeside(baseline, place, tpm)
  const whole = explainChange({ ...input, selected: [...input.selected, ...beside] })
  // What cannot be computed of a register that SEAL does not name (TrenchBoot's boot information) is not asked about.
  const explained = whole.verdict === 'not-computable' ? explainChange(input) : whole
  const facts = await observeChange(dom0, {
    session,
    baseline,
    machine,
    explained,
    device,
    launch,
    versions,
    packages,
    later,
    isVouched,
    approvedFiles,
    hasBooted: !isSinceApproved || explained.pcrs.some(({ change }) => change !== 'none'),
  })
  const explanation = combine(explained, facts, {
    bulletinPcrs: session.expectation?.bulletinPcrs ?? [],
    later,
    kept,
  })
  if (isBootedPresent(all, machine.aemUuid) !== false || explanation.verdict !== 'unexplained')
    return explanation
  const isContradicted = explained.pcrs.some(
    ({ change, now, predicted }) => change !== 'none' && predicted !== null && now !== predicted,
  )
  return isContradicted
    ? { ...explanation, advice: [DEVICE_OUT_ADVICE, ...explanation.advice] }
    : explainIncomparable(dom0, session, baseline, sealedInThisBoot, 'device-absent')
}

/** The packages that a new initramfs may come of, without a session: verified now or not. */
function listChanged({ expectation }: Session, packages: ConfirmedPackages['packages']) {
  return packages
    .filter(({ name, component }) => expectation?.changedPackages.includes(name) && isOfInitramfs(component))
    .map((one) => ({ isVerified: isVerifiedPackage(one) }))
}

/** Was the same initramfs there at `start`? Then this boot is judged as ever. */
function isRecorded({ bootFiles }: Baseline, path: string, sha256: string): boolean {
  return bootFiles.some((file) => nameOnDevice(file.path) === path && file.digests?.sha256 === sha256)
}

/** Registers of the launch that SEAL does not name: what is measured into them booted all the same. */
function listChangedBeside(
  { bank, selectedPcrs }: Baseline,
  { pcrs: before }: Before,
  tpm: TpmFacts,
): readonly number[] {
  const now = registersOf({ bank, pcrs: tpm.pcrs })
  return listMeasuredPcrs(listMeasuredPcrs([], before), now).filter(
    (index) => !selectedPcrs.includes(index) && before[index] !== undefined && now[index] !== before[index],
  )
}

/** Packages that came after `start` may change what a package may change. */
async function extendMayChange(
  host: Host,
  place: Before,
  later: readonly LaterUpdate[],
): Promise<readonly number[]> {
  if (later.length === 0) return place.mayChange
  return listMayChange(later, place.mayChange, await observeFlavour(host))
}

/** How this machine's tboot hashes command lines: calibrated before the restart, else from this boot. */
async function observeRule(
  dom0: Dom0,
  session: Session,
  baseline: Baseline,
): Promise<CommandLineRule | null> {
  const kept = session.prediction?.variant?.commandLine
  if (kept) return kept
  const { prediction } = await observePrediction(dom0, baseline.selectedPcrs)
  return prediction.variant?.commandLine ?? null
}
