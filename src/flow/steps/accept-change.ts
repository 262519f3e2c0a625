import type { Session } from '../../core/session/checkpoint.ts'
import { describeAcceptance } from '../../messages/after-restart.ts'
import type { Dom0 } from '../../observe/dom0/dom0.ts'
import type { Explanation } from '../../observe/launch/verdict.ts'
import { observeSealOutcome } from '../../observe/seal/seal-outcome.ts'
import type { Step } from '../step.ts'
import { explanationOf } from './explain.ts'

export const acceptChange: Step<'accept-change'> = async ({ dom0, ui, session, store }) => {
  const explanation = explanationOf(session)
  const seal = await observeSealOutcome(dom0, session, await store.loadHeldNote())
  const machine = await dom0.machine()
  const isSealed = seal.sealedInThisBoot === true && seal.outcome !== 'failed'
  const isAcceptedNow = session.approved !== null && session.approved.bootId === machine.bootId
  const needsAnswer =
    !isAcceptedNow && (explanation.verdict !== 'unchanged' || !isSealedOrShown(isSealed, seal.outcome))
  const isUnproven = explanation.verdict === 'not-computable'
  const answer = !needsAnswer
    ? 'yes'
    : await ui.ask<'yes' | 'no'>({
        id: 'accept-change',
        message:
          explanation.verdict !== 'unchanged'
            ? isUnproven
              ? 'What this boot measured is not proven. Accept it all the same as the new good state?'
              : 'Accept the explained change as the new good state?'
            : seal.sealedInThisBoot === null
              ? 'Nothing changed, and whether AEM has sealed is not known. Reseal now?'
              : 'Nothing changed, but AEM has not sealed. Reseal now?',
        choices: [
          {
            value: 'no',
            label: 'no',
            hint: isSealed ? 'stop here; AEM has sealed to it already' : 'stop here; nothing is sealed',
          },
          { value: 'yes', label: 'yes', hint: isSealed ? 'nothing is left to seal' : 'reseal to it' },
        ],
        default: 'no',
        withYes: isUnproven ? 'no' : 'yes',
      })
  const outcome = decideOutcome(answer, explanation.verdict, isSealed, seal.outcome)
  return {
    outcome,
    facts: { answer, asked: needsAnswer, sealedInThisBoot: seal.sealedInThisBoot },
    message: describeAcceptance(outcome, isSealed, isUnproven),
    ...(answer === 'yes'
      ? { session: { approved: await observeApproved(dom0, session, isAcceptedNow, outcome, isUnproven) } }
      : {}),
  }
}

function isSealedOrShown(isSealed: boolean, outcome: string): boolean {
  return isSealed || outcome === 'unsealed'
}

function decideOutcome(
  answer: 'yes' | 'no',
  verdict: Explanation['verdict'],
  isSealed: boolean,
  seal: string,
) {
  if (answer === 'no') return 'declined'
  if (isSealed) return verdict === 'unchanged' ? 'nothing-to-do' : 'already-sealed'
  return verdict === 'unchanged' && seal === 'unsealed' ? 'nothing-to-do' : 'accepted'
}

/** The accepted state; later boots are compared with it. */
async function observeApproved(
  dom0: Dom0,
  session: Session,
  isAcceptedNow: boolean,
  outcome: string,
  isUnproven: boolean,
): Promise<Session['approved']> {
  const { host } = dom0
  // A later boot that still has to be sealed is accepted itself: the gate asks for this boot's acceptance.
  const isConfirmingBoot = session.approved !== null && !isAcceptedNow && outcome !== 'accepted'
  if (isAcceptedNow || isConfirmingBoot) return session.approved
  const machine = await dom0.machine()
  const tpm = await dom0.tpm()
  const pcrs = tpm.bank === null ? {} : (tpm.pcrs[tpm.bank] ?? {})
  const proof = isUnproven ? ({ proof: 'not-proven' } as const) : {}
  return { at: host.now().toISOString(), bootId: machine.bootId, pcrs, ...proof }
}
