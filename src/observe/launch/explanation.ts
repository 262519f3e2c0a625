import { decideBoot } from '../../core/decide/check-boot.ts'
import { isVerifiedPackage, listMayChange } from '../../core/decide/confirm-update.ts'
import { CANCEL_AND_START } from '../../core/decide/preparedness.ts'
import type { LaterUpdate } from '../../core/decide/since-start.ts'
import { explainChange } from '../../core/launch/explain.ts'
import { DEVICE_OUT_ADVICE, INCOMPARABLE, type Incomparable } from '../../core/launch/explain-advice.ts'
import type { ExplanationInput } from '../../core/launch/explain-types.ts'
import type { CommandLineRule } from '../../core/launch/module-digest.ts'
import type { Baseline, Session } from '../../core/session/checkpoint.ts'
import type { Versions } from '../../core/session/versions.ts'
import type { Host, Seen } from '../../host/host.ts'
import { findBootedDevice, isBootedPresent } from '../device/devices.ts'
import { type ConfirmedPackages, observeConfirmedPackages } from '../dom0/confirmed-packages.ts'
import type { Dom0 } from '../dom0/dom0.ts'
import { observeFlavour } from '../dom0/status.ts'
import { observeSealOutcome } from '../seal/seal-outcome.ts'
import { observeBootFacts } from './boot-facts.ts'
import { areLinesSame } from './boot-lines.ts'
import { observeChange } from './change-of-files.ts'
import { observeBootDeviceLaunch } from './launch.ts'
import { observeFiles } from './loaded-files.ts'
import { observePrediction } from './prediction.ts'
import { nameOnDevice, observePreparedness } from './prepared.ts'
import {
  type KeptReproductions,
  listVouchedImages,
  NOTHING_KEPT,
  observeLaterUpdates,
  type Reproduce,
  reproduceLater,
} from './since-start.ts'
import { type Before, chooseBefore, toNumbers } from './state-before.ts'
import { combine, type Explanation, numberBulletins } from './verdict.ts'

export type ExplanationContext = {
  /** SHA-256 of each known initramfs of the device, by path as GRUB names it (device-ledger.ts, knownFiles). */
  readonly known?: ReadonlyMap<string, string>
  /** Makes an initramfs again; null: that look is not taken here. */
  readonly reproduce?: Reproduce | null
  /** The session stands for the last approved boot: packages since then are the update itself. */
  readonly isSinceApproved?: boolean
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
  const machine = await dom0.machine()
  const { sealedInThisBoot } = await observeSealOutcome(dom0, session)
  const { baseline } = session
  const tpm = await dom0.tpm()
  if (baseline === null) {
    const selected = [...new Set(Object.keys(tpm.pcrs[tpm.bank ?? 'sha256'] ?? {}).map(Number))]
    const explained = explainChange({
      ...EMPTY,
      pcrsNow: tpm.pcrs,
      bank: tpm.bank ?? 'sha256',
      selected,
      alreadyResealed: sealedInThisBoot,
    })
    return { ...explained, pcrs: numberBulletins(explained), prepared: null, ...NOTHING_KEPT }
  }
  if (!isSinceApproved && machine.bootId !== null && baseline.bootId === machine.bootId)
    return explainUnbooted(dom0, session, baseline, tpm.pcrs, sealedInThisBoot)
  const boot = isSinceApproved ? null : decideBoot(await observeBootFacts(dom0, session))
  if (boot === 'not-aem-boot' || boot === 'other-device')
    return explainIncomparable(dom0, session, baseline, sealedInThisBoot, boot)
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
    isKnown(path, sha256, NOTHING_KEPT) || (!isSinceApproved && isRecorded(baseline, path, sha256))
  const packages = confirmed?.packages ?? []
  const behind = isSinceApproved ? listChanged(session, packages) : later
  const kept = await reproduceLater(launch, session, behind, isMeasured, reproduce)
  const isVouched = (path: string, sha256: string): boolean => isKnown(path, sha256, kept)
  const explained = explainChange({
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
    areLinesSame: areLinesSame(baseline, machine),
    acceptedLuks: place.acceptedLuks,
    isInitramfsUnmade: isSinceApproved && reproduce === null && behind.some(({ isVerified }) => isVerified),
    unapproved: isSinceApproved
      ? baseline.selectedPcrs.filter((index) => place.pcrs[index] === undefined)
      : [],
  })
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

/** Nothing that the recorded values speak of can be looked at in this boot: that is no finding against it, and none for it. */
async function explainIncomparable(
  dom0: Dom0,
  session: Session,
  baseline: Baseline,
  alreadyResealed: boolean | null,
  why: Incomparable,
): Promise<Explanation> {
  const tpm = await dom0.tpm()
  const place = chooseBefore(session, baseline, await dom0.machine())
  const pcrs = baseline.selectedPcrs.map((index) => {
    const before = place.pcrs[index] ?? null
    const now = tpm.pcrs[baseline.bank]?.[index] ?? null
    const isSame = now !== null && now === before
    const predicted =
      place.prediction?.find((one) => one.index === index && one.bank === baseline.bank)?.predicted ?? null
    const change = isSame ? ('none' as const) : ('not-computable' as const)
    return { index, bank: baseline.bank, before, now, predicted, change, causes: [] }
  })
  const reason = { code: why, ...INCOMPARABLE[why], isBlocking: true }
  const answer = { verdict: 'no-baseline' as const, alreadyResealed, pcrs, reasons: [reason] }
  return { ...answer, advice: [reason.next], prepared: null, ...NOTHING_KEPT }
}

/** The packages behind an update without a session, verified now or not. */
function listChanged({ expectation }: Session, packages: ConfirmedPackages['packages']) {
  return packages
    .filter(({ name }) => expectation?.changedPackages.includes(name))
    .map((one) => ({ isVerified: isVerifiedPackage(one) }))
}

/** Was the same initramfs there at `start`? Then this boot is judged as ever. */
function isRecorded({ bootFiles }: Baseline, path: string, sha256: string): boolean {
  return bootFiles.some((file) => nameOnDevice(file.path) === path && file.digests?.sha256 === sha256)
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

/** dom0 was not restarted: nothing has booted that could be explained. Only the registers are compared, with themselves. */
async function explainUnbooted(
  dom0: Dom0,
  session: Session,
  baseline: Baseline,
  pcrsNow: ExplanationInput['pcrsNow'],
  alreadyResealed: boolean | null,
): Promise<Explanation> {
  const explained = explainChange({
    ...EMPTY,
    before: { pcrs: { [baseline.bank]: toNumbers(baseline.pcrs[baseline.bank] ?? {}) }, components: null },
    log: await dom0.log(),
    pcrsNow,
    bank: baseline.bank,
    selected: baseline.selectedPcrs,
    alreadyResealed,
  })
  const prepared = await observePreparedness(dom0, session)
  const what = 'dom0 has not been restarted since `start`: nothing has booted yet that could be explained'
  return {
    ...explained,
    pcrs: numberBulletins(explained),
    reasons: [
      ...explained.reasons,
      { code: 'not-restarted', what, next: null, isBlocking: false },
      ...(prepared?.changes ?? []).map((change) => ({
        code: 'changed-before-restart',
        what: change.what,
        next: CANCEL_AND_START,
        isBlocking: false,
      })),
    ],
    prepared,
    ...NOTHING_KEPT,
  }
}

const EMPTY: Omit<ExplanationInput, 'pcrsNow' | 'bank' | 'selected' | 'alreadyResealed'> = {
  before: null,
  log: null,
  booted: null,
  rule: null,
  prediction: null,
  files: [],
  expectedPcrs: null,
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
