import { isRefusalExpected } from '../../core/decide/forward-outcome.ts'
import { forwardRecordOf } from '../../core/seal/forward-of-session.ts'
import { describeNextUpdate, describeSecret, secretQuestion } from '../../messages/secret.ts'
import { observePackagesSince } from '../../observe/launch/booted-state.ts'
import { observeForwardOutcome } from '../../observe/seal/forward-outcome.ts'
import type { Step } from '../step.ts'
import { secretAnswerOf } from './ask-secret.ts'
import { explanationOf } from './explain.ts'

/** Only the user knows whether it was their own sentence; the journal says whether the TPM released one. */
export const confirmSecret: Step<'confirm-secret'> = async (context) => {
  const confirmed = await confirmNow(context)
  const { dom0 } = context
  const pending = await observePackagesSince(dom0, (await dom0.machine()).bootTime)
  return confirmed.outcome === 'next-boot' && pending.length > 0
    ? { ...confirmed, message: describeNextUpdate(pending) }
    : confirmed
}

const confirmNow: Step<'confirm-secret'> = async ({ dom0, ui, session }) => {
  const { journal } = await dom0.seal()
  const unseal = journal?.unseal ?? null
  const { bootId } = await dom0.machine()
  const said = secretAnswerOf(session, bootId)
  const isFirstBoot = session.approved !== null && session.approved.bootId === bootId
  const forward = (await observeForwardOutcome(dom0, session)).outcome
  // By what was done: only what was switched can have been in force.
  const mayShow = forwardRecordOf(session) !== null
  if (isFirstBoot && explanationOf(session).verdict !== 'unchanged') {
    // Registers that changed cannot release what was sealed before: somebody else shows a secret here.
    const isImpossible = unseal === 'unsealed' && !mayShow
    const outcome = isImpossible ? 'not-shown' : 'next-boot'
    if (isImpossible || !mayShow) {
      return {
        outcome,
        facts: { unseal, answer: said, isImpossible, forward },
        message: describeSecret(outcome, true, forward),
      }
    }
  }
  const isExpected = isFirstBoot && isRefusalExpected(forward)
  if ((unseal === 'mismatch' || unseal === 'wrong-token') && said !== 'no') {
    // AEM's own seal before the restart takes the token too: seen on TPM 1.2, where the device kept the forward seal.
    const isTold = isExpected && (unseal === 'mismatch' || forward === 'not-in-force')
    const message = describeSecret('next-boot', isTold, forward)
    return { outcome: 'next-boot', facts: { unseal, answer: said, forward }, message }
  }
  // Without a person, the journal's word is all there is; without that word there is no answer.
  const answer = said ?? (await ui.ask(secretQuestion(null, unseal === 'unsealed' ? 'yes' : 'no')))
  const wasCut = isFirstBoot && unseal === null && forward !== 'none' && isExpected
  const isUnsure = answer === 'not-sure'
  const outcome = answer === 'yes' ? 'shown' : wasCut || isUnsure ? 'next-boot' : 'not-shown'
  return {
    outcome,
    facts: { unseal, answer, forward },
    message: describeSecret(outcome, true, forward, isUnsure, said !== null),
  }
}
