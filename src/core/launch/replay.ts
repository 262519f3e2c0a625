import { ignoreFailure } from '../failure.ts'
import type { LaunchLog } from './launch-log.ts'
import { BANKS, type Bank, emptyPcr, extendPcr, PCR, type PcrBanks } from './pcr.ts'

/**
 * How the log and the TPM agree on one register.
 * - faithful: extending what the log lists gives the TPM's value
 * - unfaithful: it does not
 * - not-in-log: the log lists nothing for it, or not everything (SINIT without an event log)
 * - unknown: the TPM's value, or the hash, is not to be had
 */
export type ReplayStatus = 'faithful' | 'unfaithful' | 'not-in-log' | 'unknown'

export type ReplayedPcr = {
  readonly index: number
  readonly bank: Bank
  readonly status: ReplayStatus
  readonly replayed: string | null
  readonly now: string | null
  /**
   * For unfaithful registers: the TPM's value is reached after this many of the log's extends, so entry
   * `matchesAfter + 1` is the first one the TPM never took. Null when no part of the log gives it.
   */
  readonly matchesAfter: number | null
  /** The log's first entry holds what the register became, not what was extended (`isFirstResult`). */
  readonly isFirstResult: boolean
}

/** The value a register starts from: zeros, for register 0 the startup locality (TCG PFP 1.06, 10.4.5.3). */
function initialValue(log: LaunchLog, bank: Bank, index: number): string {
  const zeros = emptyPcr(bank)
  if (index !== 0 || log.startupLocality === null) return zeros
  return zeros.slice(0, -2) + log.startupLocality.toString(16).padStart(2, '0')
}

/** The values a register passes through: first the initial one, then one per extend. */
export function replayValues(log: LaunchLog, bank: Bank, index: number): string[] {
  const values = [initialValue(log, bank, index)]
  for (const event of log.events) {
    const digest = event.pcr === index ? event.digests[bank] : undefined
    if (digest !== undefined) values.push(extendPcr(bank, values.at(-1)!, digest))
  }
  return values
}

/**
 * The value after these digests, from zeros.
 * @param digests in extend order, of the bank's size
 * @param isFirstResult the first one is the register's value already
 */
export function extendAll(bank: Bank, digests: readonly string[], isFirstResult = false): string {
  const start = isFirstResult ? (digests[0] ?? emptyPcr(bank)) : emptyPcr(bank)
  return digests.slice(isFirstResult ? 1 : 0).reduce((value, digest) => extendPcr(bank, value, digest), start)
}

/**
 * Some SINIT modules log, as the first entry of PCR 17, the register's value after it instead of what they extended (Dell
 * OptiPlex 9010 and 7010: TrenchBoot/openqa-tests-qubesos, tests/aem_hw.pm, "ACM bug").
 */
function replayFromResult(log: LaunchLog, bank: Bank, index: number): string | null {
  const own = log.events.filter((event) => event.pcr === index && event.digests[bank] !== undefined)
  if (log.kind !== 'trenchboot' || index !== PCR.drtm || own[0]?.origin.kind !== 'platform') return null
  if (log.launch?.cpu !== 'intel' || own.length < 2) return null
  return extendAll(
    bank,
    own.map((event) => event.digests[bank]!),
    true,
  )
}

/**
 * Xen's early code logs the multiboot information with a digest that a TPM with SHA-256 alone did not get
 * (iwanicki92/drtm-tests, docs/testing.md, "one-bank header"): then the log says nothing of PCR 18.
 */
function isUntold(log: LaunchLog, index: number): boolean {
  return (
    index === PCR.launched &&
    log.soleBank === 'sha256' &&
    log.events.some(({ origin }) => origin.kind === 'boot-info')
  )
}

/**
 * Compares the log with the TPM for one register.
 * @param isComplete whether the log lists every extend of this register
 * @throws Failure `hash-unavailable` never: an SM3 that cannot be computed is `unknown`
 */
export function replayPcr(
  log: LaunchLog,
  bank: Bank,
  index: number,
  now: string | null,
  isComplete = true,
): ReplayedPcr {
  const base = { index, bank, now, matchesAfter: null, isFirstResult: false }
  if (!canReplay(log, bank, index) || !isComplete) return { ...base, status: 'not-in-log', replayed: null }
  const values = tryReplay(log, bank, index)
  const replayed = values?.at(-1) ?? null
  if (replayed === null || now === null || values === null) return { ...base, status: 'unknown', replayed }
  if (replayed === now) return { ...base, status: 'faithful', replayed }
  const fromResult = replayFromResult(log, bank, index)
  if (fromResult === now) return { ...base, status: 'faithful', replayed: fromResult, isFirstResult: true }
  if (isUntold(log, index)) return { ...base, status: 'not-in-log', replayed: null }
  const prefix = values.lastIndexOf(now)
  return { ...base, status: 'unfaithful', replayed, matchesAfter: prefix === -1 ? null : prefix }
}

function canReplay(log: LaunchLog, bank: Bank, index: number): boolean {
  return log.events.some((event) => event.pcr === index && event.digests[bank] !== undefined)
}

function tryReplay(log: LaunchLog, bank: Bank, index: number): string[] | null {
  try {
    return replayValues(log, bank, index)
  } catch (error) {
    return ignoreFailure(error)
  }
}

/** Every register of the log and every one asked for, in every bank the TPM shows. */
export function replayLog(log: LaunchLog, now: PcrBanks, indices: readonly number[]): ReplayedPcr[] {
  const all = [...new Set([...log.events.map((event) => event.pcr), ...indices])].sort((a, b) => a - b)
  const banks = (Object.keys(now) as Bank[]).filter((bank) => bank in BANKS)
  return banks.flatMap((bank) =>
    all.map((index) => replayPcr(log, bank, index, now[bank]?.[index] ?? null, isListed(log, index))),
  )
}

/** tboot's log lists the register of SINIT completely only together with SINIT's own events. */
export function isListed(log: LaunchLog, index: number): boolean {
  if (log.problems.length > 0) return false
  if (log.kind === 'trenchboot' || log.platformEvents) return true
  return log.map === 'legacy' && index !== PCR.drtm && (index !== PCR.launched || log.values.mleHash !== null)
}
