import { decideBoot } from '../../core/decide/check-boot.ts'
import { CANCEL_AND_START } from '../../core/decide/preparedness.ts'
import { explainChange } from '../../core/launch/explain.ts'
import { INCOMPARABLE, type Incomparable, NOT_AEM_UNNOTED } from '../../core/launch/explain-advice.ts'
import type { ExplanationInput } from '../../core/launch/explain-types.ts'
import type { Baseline, Session } from '../../core/session/checkpoint.ts'
import type { Dom0 } from '../dom0/dom0.ts'
import { observeBootFacts } from './boot-facts.ts'
import { observePreparedness } from './prepared.ts'
import { NOTHING_KEPT } from './since-start.ts'
import { chooseBefore, toNumbers } from './state-before.ts'
import { type Explanation, numberBulletins } from './verdict.ts'

/* Where there is nothing to explain: nobody noted anything, nothing has booted yet, or this boot cannot be compared. */

const EMPTY: Omit<ExplanationInput, 'pcrsNow' | 'bank' | 'selected' | 'alreadyResealed'> = {
  before: null,
  log: null,
  booted: null,
  rule: null,
  prediction: null,
  files: [],
  expectedPcrs: null,
}

/** There is no baseline: the registers of this boot stand alone; without AEM they would not be compared with one either. */
export async function explainUnnoted(dom0: Dom0, alreadyResealed: boolean | null): Promise<Explanation> {
  const tpm = await dom0.tpm()
  const selected = [...new Set(Object.keys(tpm.pcrs[tpm.bank ?? 'sha256'] ?? {}).map(Number))]
  const bank = tpm.bank ?? 'sha256'
  const explained = explainChange({ ...EMPTY, pcrsNow: tpm.pcrs, bank, selected, alreadyResealed })
  const answer = { ...explained, pcrs: numberBulletins(explained), prepared: null, ...NOTHING_KEPT }
  if ((await dom0.machine()).bootedWithAem !== false) return answer
  return { ...answer, reasons: [{ code: 'not-aem-boot', ...NOT_AEM_UNNOTED, isBlocking: true }] }
}

/** Why the recorded values say nothing of this boot; null where they do, or where that is not known. */
export async function observeIncomparable(dom0: Dom0, session: Session): Promise<Incomparable | null> {
  const facts = await observeBootFacts(dom0, session)
  const boot = decideBoot(facts)
  if (boot === 'not-aem-boot') return boot
  return boot === 'other-device' && facts.deviceUuid !== null && facts.expectedDeviceUuid !== null
    ? boot
    : null
}

/** dom0 was not restarted: nothing has booted that could be explained. Only the registers are compared, with themselves. */
export async function explainUnbooted(
  dom0: Dom0,
  session: Session,
  baseline: Baseline,
  alreadyResealed: boolean | null,
): Promise<Explanation> {
  const explained = explainChange({
    ...EMPTY,
    before: { pcrs: { [baseline.bank]: toNumbers(baseline.pcrs[baseline.bank] ?? {}) }, components: null },
    log: await dom0.log(),
    pcrsNow: (await dom0.tpm()).pcrs,
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

/** Nothing that the recorded values speak of can be looked at in this boot: that is no finding against it, and none for it. */
export async function explainIncomparable(
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
