import { isRefusalExpected } from '../../core/decide/forward-outcome.ts'
import { forwardRecordOf } from '../../core/seal/forward-record.ts'
import { describeSecret } from '../../messages/after-restart.ts'
import { observeForwardOutcome } from '../../observe/seal/forward-outcome.ts'
import type { Step } from '../step.ts'
import { explanationOf } from './explain.ts'

/** Only the user knows whether it was their own sentence; the journal says whether the TPM released one. */
export const confirmSecret: Step<'confirm-secret'> = async ({ dom0, ui, session }) => {
  const { journal } = await dom0.seal()
  const unseal = journal?.unseal ?? null
  const isFirstBoot = session.approved !== null && session.approved.bootId === (await dom0.machine()).bootId
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
        facts: { unseal, answer: null, isImpossible, forward },
        message: describeSecret(outcome, true, forward),
      }
    }
  }
  const isExpected = isFirstBoot && isRefusalExpected(forward)
  if (unseal === 'mismatch' || unseal === 'wrong-token') {
    // AEM's own seal before the restart takes the token too: seen on TPM 1.2, where the device kept the forward seal.
    const isTold = isExpected && (unseal === 'mismatch' || forward === 'not-in-force')
    const message = describeSecret('next-boot', isTold, forward)
    return { outcome: 'next-boot', facts: { unseal, answer: null, forward }, message }
  }
  const answer = await ui.ask<'yes' | 'no'>({
    id: 'secret-shown',
    message: 'Did your own secret appear in this boot, before you typed the disk passphrase?',
    choices: [
      { value: 'no', label: 'no', hint: 'or I am not sure' },
      { value: 'yes', label: 'yes' },
    ],
    default: 'no',
    // Without a person, the journal's word is all there is; without that word there is no answer.
    withYes: unseal === 'unsealed' ? 'yes' : 'no',
  })
  const wasCut = isFirstBoot && unseal === null && forward !== 'none' && isExpected
  const outcome = answer === 'yes' ? 'shown' : wasCut ? 'next-boot' : 'not-shown'
  return { outcome, facts: { unseal, answer, forward }, message: describeSecret(outcome, true, forward) }
}
