import { Failure } from '../failure.ts'
import { listComponents } from './components.ts'
import { adviceFor } from './explain-advice.ts'
import { asPredicted, differsFromPrediction } from './explain-predicted.ts'
import { traceRegister } from './explain-trace.ts'
import {
  type Cause,
  type ExplainedPcr,
  type Explanation,
  type ExplanationInput,
  NOT_COMPUTABLE,
  type Reason,
  type ReasonCode,
  type Verdict,
} from './explain-types.ts'
import { bootInfoReason } from './explain-xen.ts'
import { constantOf, PCR } from './pcr.ts'
import { isListed, replayPcr } from './replay.ts'

/**
 * Compares the registers of this boot with those from before the restart. The verdict is `explained` only if every selected
 * register is unchanged, or equal to its prediction, or fully traced: a faithful log of this boot, each changed module
 * found in its file, each file unmodified from a package with a known signer, in a register an update may change.
 */
export function explainChange(input: ExplanationInput): Explanation {
  const { alreadyResealed } = input
  if (input.before === null) {
    const pcrs = input.selected.map((index) => bare(input, index, 'none'))
    const reasons = [noBaseline()]
    return { verdict: 'no-baseline', alreadyResealed, pcrs, reasons, advice: [] }
  }
  const explained = input.selected.map((index) => explainRegister(input, index))
  const pcrs = explained.map((one) => one.pcr)
  const reasons = explained.flatMap((one) => one.reasons)
  const verdict = decideVerdict(pcrs)
  return {
    verdict,
    alreadyResealed,
    pcrs,
    reasons,
    advice: adviceFor(verdict, alreadyResealed, reasons),
  }
}

function noBaseline(): Reason {
  return {
    code: 'no-baseline',
    pcr: null,
    what: 'nobody noted the registers before this restart, so no change can be explained',
    next: 'run `aem-reseal start` before the next restart; it notes them. What changed in this boot stays unknown',
    isBlocking: true,
  }
}

function decideVerdict(pcrs: readonly ExplainedPcr[]): Verdict {
  // Nothing selected means nothing was compared.
  if (pcrs.length === 0) return 'unexplained'
  if (pcrs.some((pcr) => pcr.change === 'unexpected')) return 'unexplained'
  if (pcrs.some((pcr) => pcr.change === 'not-computable')) return 'not-computable'
  return pcrs.some((pcr) => pcr.change === 'expected') ? 'explained' : 'unchanged'
}

function bare(
  input: ExplanationInput,
  index: number,
  change: ExplainedPcr['change'],
  causes: Cause[] = [],
): ExplainedPcr {
  const { bank } = input
  const predicted =
    input.prediction?.find((one) => one.index === index && one.bank === bank)?.predicted ?? null
  return {
    index,
    bank,
    before: input.before?.pcrs[bank]?.[index] ?? null,
    now: input.pcrsNow[bank]?.[index] ?? null,
    predicted,
    change,
    causes,
  }
}

type Explained = { readonly pcr: ExplainedPcr; readonly reasons: readonly Reason[] }

function explainRegister(input: ExplanationInput, index: number): Explained {
  const { before, now, predicted } = bare(input, index, 'none')
  const unexpected = (code: ReasonCode, what: string, next: string): Explained => ({
    pcr: bare(input, index, 'unexpected'),
    reasons: [{ code, pcr: index, what, next, isBlocking: true }],
  })
  if (now !== null && input.unapproved?.includes(index)) {
    const what = `AEM seals to PCR ${index} since the last approved boot, and nothing says what was approved of it`
    const next = 'go through `aem-reseal start` and `aem-reseal resume` at the next update'
    const reason: Reason = { code: 'pcr-not-approved', pcr: index, what, next, isBlocking: true }
    return { pcr: bare(input, index, 'not-computable'), reasons: [reason] }
  }
  if (now === null || before === null)
    return unexpected(
      'pcr-unreadable',
      `PCR ${index} of bank ${input.bank} is not known ${now === null ? 'now' : 'from before the restart'}`,
      'check that the TPM driver is loaded and the bank is active: ls /sys/class/tpm/tpm0/',
    )
  if (constantOf(now) !== null)
    return unexpected(
      'unmeasured',
      `PCR ${index} holds a public constant: nothing was measured into it in this boot`,
      'boot the AEM entry; a boot that was not measured is protected by nothing',
    )
  if (now === before) return { pcr: bare(input, index, 'none'), reasons: [] }
  if (index === PCR.luksHeaders && now === input.acceptedLuks) {
    const what =
      'PCR 13 is what the LUKS headers gave when you said, before the restart, that you changed them'
    const next = 'nothing: it is as you said'
    const reason: Reason = { code: 'luks-header-accepted', pcr: index, what, next, isBlocking: false }
    return { pcr: bare(input, index, 'expected'), reasons: [reason] }
  }
  const traced = traceChange(input, index)
  if (now === predicted) {
    const notes = traced.reasons.map((reason) => ({ ...reason, isBlocking: false }))
    return { pcr: bare(input, index, 'expected', asPredicted(input, index, traced.causes)), reasons: notes }
  }
  const reasons = [
    ...differsFromPrediction(index, predicted),
    ...checkExpected(input, index),
    ...traced.reasons,
  ]
  return { pcr: bare(input, index, decideChange(reasons), traced.causes), reasons }
}

function decideChange(reasons: readonly Reason[]): ExplainedPcr['change'] {
  const blocking = reasons.filter((reason) => reason.isBlocking)
  if (blocking.length === 0) return 'expected'
  return blocking.every(({ code }) => NOT_COMPUTABLE.includes(code)) ? 'not-computable' : 'unexpected'
}

function checkExpected(input: ExplanationInput, index: number): Reason[] {
  if (input.expectedPcrs?.includes(index)) return []
  const named = input.expectedPcrs ?? []
  const what = `PCR ${index} changed, and no installed update changes it${named.length > 0 ? ` (those installed change ${named.join(', ')})` : ''}`
  const next = 'do not reseal; find out what changed in this register first'
  return [{ code: 'pcr-not-expected', pcr: index, what, next, isBlocking: true }]
}

type Traced = { readonly causes: Cause[]; readonly reasons: Reason[] }

function traceChange(input: ExplanationInput, index: number): Traced {
  const stop = (code: ReasonCode, what: string, next: string): Traced => ({
    causes: [],
    reasons: [{ code, pcr: index, what, next, isBlocking: true }],
  })
  if (index === PCR.luksHeaders)
    return stop(
      'luks-header-changed',
      'PCR 13 changed: AEM measures the LUKS headers into it, so a header changed, a LUKS device was added or removed, or something else was extended into it',
      'unless you changed a passphrase or a key slot yourself, do not reseal; look at the header with: cryptsetup luksDump',
    )
  const { log, bank } = input
  if (log === null || log instanceof Failure)
    return stop(
      'log-missing',
      `no readable launch log of this boot explains PCR ${index}${log === null ? '' : `: ${log.text.what}`}`,
      log?.text.next ?? 'run `aem-reseal predict` to see why',
    )
  const now = input.pcrsNow[bank]?.[index] ?? null
  const replayed = replayPcr(log, bank, index, now, isListed(log, index))
  if (replayed.status === 'unfaithful' || replayed.status === 'unknown')
    return stop(
      'log-unfaithful',
      `the launch log does not lead to the value of PCR ${index}`,
      'trust neither; compare with another device',
    )
  if (replayed.status === 'not-in-log' && log.kind === 'trenchboot' && index === PCR.launched)
    return { causes: [], reasons: [bootInfoReason(input, index)] }
  if (replayed.status === 'not-in-log')
    return stop(
      'not-in-log',
      `the launch log says nothing complete about PCR ${index}`,
      'treat the change as unexplained',
    )
  return traceRegister(input, listComponents(log, input.booted), index)
}
