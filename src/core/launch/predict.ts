import { Failure } from '../failure.ts'
import type { ModuleRole } from './boot-entry.ts'
import { type CalibrationInput, type CalibrationResult, calibrateLaunch } from './calibrate.ts'
import type { EntryChoice } from './grub-choose.ts'
import type { Digests } from './launch-log.ts'
import { COMMAND_LINE_RULES, type CommandLineRule } from './module-digest.ts'
import { listNextModules } from './next-modules.ts'
import { BANK_NAMES, type Bank, isUnset, LAUNCH_PCRS, PCR, type PcrBanks } from './pcr.ts'
import { chainOf, type PredictedLink, type PredictionContext } from './predict-chain.ts'
import { NO_XEN, type XenFacts } from './predict-trenchboot.ts'
import type { LaunchPrediction, PredictedComponent, PredictedPcr } from './prediction.ts'
import { type Refusal, refuse } from './refusal.ts'
import { extendAll, isListed, replayPcr } from './replay.ts'

export type PredictionInput = CalibrationInput & {
  readonly next: EntryChoice
  /** Digests of the files that boot next, where they lie on another device than the one this boot came from. */
  readonly nextImages?: CalibrationInput['images']
  /** Registers to predict, as selected for sealing; those the launch does not fill are left to the caller. */
  readonly selected?: readonly number[]
  /** tboot's MLE hash from its file and command line in grub.cfg now, by rule; null when it was not computed. */
  readonly mleNow: Record<CommandLineRule, Digests> | null
  /** tboot's file asks SINIT for the same capabilities as the running tboot did; null or left out when it was not compared. */
  readonly sameCapabilities?: boolean | null
  /** Xen's launch hashes under TrenchBoot. */
  readonly xen?: XenFacts
  /**
   * Whether these are still what this boot used, by other evidence than the log (package installed before the boot and
   * unmodified, file unchanged since the boot): null when nobody can tell. `launcher` is tboot, or Xen under TrenchBoot.
   */
  readonly unchanged: {
    readonly launcher: boolean | null
    readonly sinit: boolean | null
    readonly policy: boolean | null
  }
}

/**
 * Predicts the launch registers of the next boot. Nothing is predicted before the present is reproduced from the log
 * (calibrateLaunch), and each register stands for itself: one can be predicted while another is refused.
 */
export function predictLaunch(input: PredictionInput): LaunchPrediction {
  const indices = (input.selected ?? LAUNCH_PCRS).filter(
    (index) => index >= PCR.drtm && index <= PCR.lastDrtm,
  )
  const result = calibrateLaunch(input)
  const refusal = findUndetermined(input, result) ?? result.refusal ?? checkEntry(input)
  const base = { calibrated: result.refusal === null, variant: variantOf(result), entry: entryOf(input) }
  if (refusal !== null || result.calibration === null) {
    const why = refusal ?? refuse('log-unreadable', 'there is no calibration')
    return { ...base, refusal: why, pcrs: refuseAll(input, indices, why, result) }
  }
  const { calibration } = result
  const pcrs = calibration.banks.flatMap((bank) =>
    indices.map((index) => predictPcr(newContext(input, result.calibration!, bank), index)),
  )
  const isAny = pcrs.some((pcr) => pcr.predicted !== null)
  return { ...base, refusal: isAny ? null : firstRefusal(pcrs), pcrs }
}

/** True when every register asked for has a predicted value. */
export function isCompletePrediction(prediction: LaunchPrediction): boolean {
  return prediction.pcrs.length > 0 && prediction.pcrs.every((pcr) => pcr.predicted !== null)
}

function variantOf(result: CalibrationResult): LaunchPrediction['variant'] {
  const { calibration } = result
  if (calibration === null || calibration.rule === null || calibration.map === 'slaunch') return null
  return { map: calibration.map, commandLine: calibration.rule }
}

function entryOf(input: PredictionInput): LaunchPrediction['entry'] {
  return input.next.entry === null ? null : { title: input.next.entry.titlePath.join(' > ') }
}

/** Where grub.cfg cannot be read, neither can the files of this boot be told: that is said, not that none of them fits. */
function findUndetermined(input: PredictionInput, { refusal }: CalibrationResult): Refusal | null {
  const isOfFiles = refusal?.code === 'no-variant-fits' || refusal?.code === 'unknown-module'
  return isOfFiles && input.booted === null && input.next.entry === null ? checkEntry(input) : null
}

function checkEntry(input: PredictionInput): Refusal | null {
  const { entry, why } = input.next
  if (entry === null) return refuse('entry-undetermined', `it cannot be told which entry boots next: ${why}`)
  const kind = input.log !== null && !(input.log instanceof Failure) ? input.log.kind : null
  if (kind === null || entry.flavour === kind) return null
  return refuse(
    'other-flavour',
    entry.flavour === 'other'
      ? `the entry that boots next, "${entry.title}", is not an AEM entry: that boot will not be measured`
      : `this boot was launched by ${kind}, the entry that boots next uses ${entry.flavour}`,
  )
}

function refuseAll(
  input: PredictionInput,
  indices: readonly number[],
  refusal: Refusal,
  result: CalibrationResult,
): PredictedPcr[] {
  const banks = result.calibration?.banks ?? BANK_NAMES.filter((bank) => input.pcrsNow[bank] !== undefined)
  return banks.flatMap((bank) => indices.map((index) => refusedPcr(input.pcrsNow, bank, index, refusal)))
}

function refusedPcr(pcrs: PcrBanks, bank: Bank, index: number, refusal: Refusal): PredictedPcr {
  const now = pcrs[bank]?.[index] ?? null
  return { index, bank, now, predicted: null, reason: refusal.why, code: refusal.code, components: [] }
}

function firstRefusal(pcrs: readonly PredictedPcr[]): Refusal | null {
  const first = pcrs.find((pcr) => pcr.code !== null)
  return first?.code ? refuse(first.code, first.reason) : null
}

function newContext(
  input: PredictionInput,
  calibration: NonNullable<CalibrationResult['calibration']>,
  bank: Bank,
): PredictionContext {
  const log = input.log
  if (log === null || log instanceof Failure || input.next.entry === null)
    throw new Error('calibrated without a log')
  const logged = log.events.find((event) => event.origin.kind === 'mle')?.digests[bank]
  return {
    log,
    bank,
    rule: calibration.rule,
    booted: calibration.modules,
    entry: input.next.entry,
    bootedEntry: input.booted,
    next: listNextModules(input.next.entry, input.nextImages ?? input.images, calibration.rule),
    mleNow: input.mleNow === null ? null : (input.mleNow[calibration.rule ?? 'whole'][bank] ?? null),
    xen: input.xen ?? NO_XEN,
    launcherUnchanged: isLauncherUnchanged(input, logged, bank),
    sameCapabilities: input.sameCapabilities ?? null,
    sinitUnchanged: input.unchanged.sinit,
    policyUnchanged: input.unchanged.policy,
    pcrsNow: input.pcrsNow,
  }
}

/** The MLE hash of the file now is the best witness; other evidence counts where it is missing. */
function isLauncherUnchanged(input: PredictionInput, logged: string | undefined, bank: Bank): boolean | null {
  const { mleNow } = input
  if (mleNow === null || logged === undefined) return input.unchanged.launcher
  const values = COMMAND_LINE_RULES.map((rule) => mleNow[rule][bank])
  return values.every((value) => value === undefined) ? input.unchanged.launcher : values.includes(logged)
}

function predictPcr(context: PredictionContext, index: number): PredictedPcr {
  const { bank, log, pcrsNow } = context
  const now = pcrsNow[bank]?.[index] ?? null
  const replayed = replayPcr(log, bank, index, now, isListed(log, index))
  const chain = chainOf(context, index, replayed.status)
  if (!Array.isArray(chain)) return refusedPcr(pcrsNow, bank, index, chain)
  const components = chain.flatMap((link) => (link.component === null ? [] : [link.component]))
  if (replayed.status === 'not-in-log') return unchangedPcr(index, bank, now, components)
  const digests = chain.map((link) => link.digest)
  return {
    index,
    bank,
    now,
    predicted: extendAll(bank, digests, replayed.isFirstResult),
    reason: describeChange(chain, now),
    code: null,
    components,
  }
}

function unchangedPcr(
  index: number,
  bank: Bank,
  now: string | null,
  components: readonly PredictedComponent[],
): PredictedPcr {
  const reason =
    now !== null && isUnset(now) ? 'nothing is measured into it' : 'nothing measured into it has changed'
  return { index, bank, now, predicted: now, reason, code: null, components }
}

const ROLE_WORDS: Readonly<Record<ModuleRole, string>> = {
  mle: 'tboot',
  xen: 'Xen',
  kernel: 'the dom0 kernel',
  initramfs: 'the initramfs',
  module: 'a further module',
}

function describeChange(chain: readonly PredictedLink[], now: string | null): string {
  if (chain.length === 0 && now !== null && !isUnset(now)) return 'nothing is measured into it any more'
  const changed = chain.flatMap((link) => (link.component?.changed ? [ROLE_WORDS[link.component.role]] : []))
  const gone = chain.some((link) => link.isShortened)
  if (changed.length === 0) return gone ? 'fewer modules are loaded' : 'nothing measured into it has changed'
  const words = [...new Set(changed)]
  return `changed: ${words.join(', ')} (image or command line)`
}
