import { describeSecret } from '../../messages/after-restart.ts'
import { observeMachine } from '../../observe/machine.ts'
import { observeSealState } from '../../observe/seal-state.ts'
import type { Step } from '../step.ts'
import { explanationOf } from './explain.ts'

/** Only the user knows whether it was their own sentence; the journal says whether the TPM released one. */
export const confirmSecret: Step<'confirm-secret'> = async ({ host, ui, session }) => {
  const { journal } = await observeSealState(host)
  const unseal = journal?.unseal ?? null
  const isFirstBoot =
    session.approved !== null && session.approved.bootId === (await observeMachine(host)).bootId
  if (isFirstBoot && explanationOf(session).verdict !== 'unchanged') {
    // Registers that changed cannot release what was sealed before: somebody else shows a secret here.
    const isImpossible = unseal === 'unsealed' && session.protection !== 'forward-seal'
    const outcome = isImpossible ? 'not-shown' : 'next-boot'
    if (isImpossible || session.protection !== 'forward-seal') {
      return { outcome, facts: { unseal, answer: null, isImpossible }, message: describeSecret(outcome) }
    }
  }
  if (unseal === 'mismatch' || unseal === 'wrong-token') {
    const isExpected = isFirstBoot && session.protection !== 'forward-seal' && unseal === 'mismatch'
    const message = describeSecret('next-boot', isExpected)
    return { outcome: 'next-boot', facts: { unseal, answer: null }, message }
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
  const outcome = answer === 'yes' ? 'shown' : 'not-shown'
  return { outcome, facts: { unseal, answer }, message: describeSecret(outcome) }
}
