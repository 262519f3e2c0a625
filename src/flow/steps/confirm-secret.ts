import { describeSecret } from '../../messages/after-restart.ts'
import { observeSealState } from '../../observe/seal-state.ts'
import type { Step } from '../step.ts'

/** Only the user knows whether it was their own sentence; the journal says whether the TPM released one. */
export const confirmSecret: Step<'confirm-secret'> = async ({ host, ui }) => {
  const { journal } = await observeSealState(host)
  const unseal = journal?.unseal ?? null
  if (unseal === 'mismatch' || unseal === 'wrong-token') {
    return { outcome: 'next-boot', facts: { unseal, answer: null }, message: describeSecret('next-boot') }
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
