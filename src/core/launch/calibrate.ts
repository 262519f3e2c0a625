import { Failure } from '../failure.ts'
import { listMeasuredFiles } from './boot-entry.ts'
import { isPlaceholderDigest, type LaunchLog, type PcrMap } from './launch-log.ts'
import {
  explainNoRule,
  isTelling,
  type MatchInput,
  type MeasuredModule,
  matchModule,
} from './match-module.ts'
import { COMMAND_LINE_RULES, type CommandLineRule } from './module-digest.ts'
import { BANK_NAMES, type Bank, constantOf, LAUNCH_PCRS, PCR, type PcrBanks } from './pcr.ts'
import { UEFI_WHY } from './predict-trenchboot.ts'
import { type Refusal, refuse } from './refusal.ts'
import { replayLog } from './replay.ts'

export type Calibration = {
  readonly map: PcrMap
  /** tboot only; null under TrenchBoot, where no command line is hashed with a module. */
  readonly rule: CommandLineRule | null
  readonly modules: readonly MeasuredModule[]
  /** The banks in which the launch measured modules and the TPM agrees with the log. */
  readonly banks: readonly Bank[]
}

export type CalibrationInput = MatchInput & {
  /** The parsed log, the parser's refusal, or null when there is none. */
  readonly log: LaunchLog | Failure | null
  readonly pcrsNow: PcrBanks
}

export type CalibrationResult =
  | { readonly calibration: Calibration; readonly refusal: null }
  | { readonly calibration: null; readonly refusal: Refusal }

/**
 * Finds the rules this machine's launch follows by making them reproduce the current boot: the log must replay to the
 * TPM's registers, and at least one module with a command line must be reproduced from its file, under one
 * command line rule only. Files that an update has replaced since the boot do not count for or against a rule.
 */
export function calibrateLaunch(input: CalibrationInput): CalibrationResult {
  const { log } = input
  const failed = (refusal: Refusal): CalibrationResult => ({ calibration: null, refusal })
  // The registers tell a launch that did not take place better than any log: txt-stat says TRUE on machines without TXT.
  const launched = log === null || log instanceof Failure ? checkMeasured(null, input.pcrsNow) : null
  if (launched !== null) return failed(launched)
  if (log === null) return failed(refuse('log-unreadable', 'there is no launch log of this boot'))
  if (log instanceof Failure)
    return failed(refuse('log-unreadable', log.text.what, log.text.next ?? undefined))
  const early = checkMeasured(log, input.pcrsNow) ?? checkLog(log)
  if (early !== null) return failed(early)
  const banks = measuredBanks(log, input.pcrsNow)
  if (banks.length === 0)
    return failed(refuse('pcrs-unreadable', 'the TPM shows no bank in which the launch measured modules'))
  const unfaithful = checkFaithful(log, input.pcrsNow, banks)
  if (unfaithful !== null) return failed(unfaithful)
  if (log.map === null) return failed(refuse('map-unknown', 'the log does not tell which PCR map tboot used'))
  const unknown = checkCount(log, input)
  if (unknown !== null) return failed(unknown)
  return log.kind === 'trenchboot'
    ? matchPlain(log, log.map, banks, input)
    : findRule(log, log.map, banks, input)
}

function checkMeasured(log: LaunchLog | null, pcrs: PcrBanks): Refusal | null {
  // A bank that the launch does not use reads all zeros; the others are those of a launch that failed.
  const failed = Object.values(pcrs)
    .map((bank) => constantOf(bank[PCR.drtm] ?? '00'))
    .some((constant) => constant === 'unlaunched' || constant === 'capped')
  if (log?.measured !== false && !failed) return null
  return refuse(
    'unmeasured',
    'this boot was not measured: the launch did not take place, and AEM protects nothing',
  )
}

function checkLog(log: LaunchLog): Refusal | null {
  if (log.problems.length === 0) return null
  return refuse('log-unreadable', `the launch log is not whole: ${log.problems[0]}`)
}

function checkCount(log: LaunchLog, input: CalibrationInput): Refusal | null {
  if (input.booted === null) return null
  const count = listMeasuredFiles(input.booted, input.images).length
  if (count === log.modules.length) return null
  return refuse(
    'unknown-module',
    `this boot measured ${log.modules.length} modules, the entry it came from loads ${count}: the log cannot be told apart`,
  )
}

function measuredBanks(log: LaunchLog, pcrs: PcrBanks): Bank[] {
  const isMeasured = (digest: string | undefined) => digest !== undefined && !isPlaceholderDigest(digest)
  return BANK_NAMES.filter(
    (bank) => pcrs[bank] !== undefined && log.modules.some((one) => isMeasured(one.digests[bank])),
  )
}

function checkFaithful(log: LaunchLog, pcrs: PcrBanks, banks: readonly Bank[]): Refusal | null {
  const replayed = replayLog(log, pcrs, LAUNCH_PCRS).filter(
    (one) => banks.includes(one.bank) && one.index >= PCR.drtm,
  )
  const bad = replayed.find((one) => one.status === 'unfaithful')
  if (bad) {
    const where = bad.matchesAfter === null ? '' : `; they part after ${bad.matchesAfter} of its extends`
    return refuse(
      'log-unfaithful',
      `the launch log does not lead to PCR ${bad.index} (${bad.bank}) of the TPM${where}`,
    )
  }
  if (replayed.some((one) => one.status === 'faithful')) return null
  return refuse('pcrs-unreadable', 'no register of the launch could be compared with the log')
}

function findRule(
  log: LaunchLog,
  map: PcrMap,
  banks: readonly Bank[],
  input: CalibrationInput,
): CalibrationResult {
  const fits = COMMAND_LINE_RULES.map((rule) => ({
    rule,
    modules: log.modules.map((logged, index) => matchModule(logged, index, rule, banks, input)),
  }))
  const telling = fits.filter(({ modules, rule }) =>
    modules.some((one) => one.match && isTelling(one.module, rule)),
  )
  if (telling.length === 1) {
    const { rule, modules } = telling[0]!
    return { calibration: { map, rule, modules: modules.map((one) => one.module), banks }, refusal: null }
  }
  if (telling.length > 1)
    return { calibration: null, refusal: refuse('variant-ambiguous', 'two command line rules fit this boot') }
  return { calibration: null, refusal: explainNoRule(fits[0]!.modules) }
}

/** Under TrenchBoot a module's digest is that of its bytes: one file that still fits shows the order to be right. */
function matchPlain(
  log: LaunchLog,
  map: PcrMap,
  banks: readonly Bank[],
  input: CalibrationInput,
): CalibrationResult {
  const matches = log.modules.map((logged, index) => matchModule(logged, index, null, banks, input))
  if (matches.some((one) => one.match))
    return {
      calibration: { map, rule: null, modules: matches.map((one) => one.module), banks },
      refusal: null,
    }
  const refusal =
    log.launch?.firmware === 'uefi' ? refuse('trenchboot-mle', UEFI_WHY) : explainNoRule(matches)
  return { calibration: null, refusal }
}
