import type { Facts, SecretAnswer } from '../../core/decide/facts.ts'
import type { ForwardOutcome } from '../../core/decide/forward-outcome.ts'
import type { Verdict } from '../../core/launch/explain-types.ts'
import type { Session } from '../../core/session/checkpoint.ts'
import { AS_PREDICTED, describeAcceptance } from '../../messages/after-restart.ts'
import { findBootedDevice } from '../../observe/device/devices.ts'
import type { Dom0 } from '../../observe/dom0/dom0.ts'
import { observeComponents } from '../../observe/launch/baseline.ts'
import { registersOf } from '../../observe/launch/pcrs.ts'
import { observeForwardOutcome } from '../../observe/seal/forward-outcome.ts'
import { observeSealOutcome } from '../../observe/seal/seal-outcome.ts'
import type { Step } from '../step.ts'
import { secretAnswerOf } from './ask-secret.ts'
import { explanationOf } from './explain.ts'

export const acceptChange: Step<'accept-change'> = async ({ dom0, ui, options, session, store }) => {
  const explanation = explanationOf(session)
  const seal = await observeSealOutcome(dom0, session, await store.loadHeldNote())
  const machine = await dom0.machine()
  const isSealed = seal.sealedInThisBoot === true && seal.outcome !== 'failed'
  const isAcceptedNow = session.approved !== null && session.approved.bootId === machine.bootId
  const said = secretAnswerOf(session, machine.bootId)
  const hasShown = isSealedOrShown(isSealed, seal.outcome)
  const forward = (await observeForwardOutcome(dom0, session)).outcome
  // Only the boot that was checked and sealed to could release the secret: it was accepted before the restart.
  const isAsPredicted =
    hasShown && isPredicted(explanation) && isSecretShown(forward, said, options.yes === true)
  const needsAnswer = !isAcceptedNow && !isAsPredicted && (explanation.verdict !== 'unchanged' || !hasShown)
  const isUnproven = explanation.verdict === 'not-computable'
  const answer = !needsAnswer
    ? 'yes'
    : // Whoever did not see their secret is not asked to seal to what booted.
      said === 'no'
      ? 'no'
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
              hint: isSealed
                ? 'nothing is approved; AEM has sealed to it already'
                : 'nothing is approved, nothing is sealed',
            },
            {
              value: 'yes',
              label: 'yes',
              hint: isSealed
                ? 'later boots are compared with it'
                : 'reseal; later boots are compared with it',
            },
          ],
          default: 'no',
          withYes: isUnproven ? 'no' : 'yes',
        })
  const verdict = isAsPredicted && !isSealed ? 'unchanged' : explanation.verdict
  const outcome = decideOutcome(answer, verdict, isSealed, seal.outcome)
  return {
    outcome,
    facts: {
      answer,
      asked: needsAnswer && said !== 'no',
      sealedInThisBoot: seal.sealedInThisBoot,
      isAsPredicted,
    },
    message: isAsPredicted ? AS_PREDICTED : describeAcceptance(outcome, isSealed, isUnproven),
    ...(answer === 'yes'
      ? { session: { approved: await observeApproved(dom0, session, isAcceptedNow, outcome, isUnproven) } }
      : {}),
  }
}

/** Every register of this boot is the one that was predicted, and every change is explained. */
function isPredicted({ verdict, pcrs }: Facts['explain']): boolean {
  return (
    verdict === 'explained' &&
    pcrs.length > 0 &&
    pcrs.every(({ now, predicted }) => typeof predicted === 'string' && now === predicted)
  )
}

/** By the person's word; --yes takes the journal's. Where the journal is silent only the person knows. */
function isSecretShown(forward: ForwardOutcome, said: SecretAnswer | null, yes: boolean): boolean {
  if (forward === 'shown') return said === 'yes' || (said === null && yes)
  return forward === 'unknown' && said === 'yes'
}

function isSealedOrShown(isSealed: boolean, outcome: string): boolean {
  return isSealed || outcome === 'unsealed'
}

function decideOutcome(answer: 'yes' | 'no', verdict: Verdict, isSealed: boolean, seal: string) {
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
  const pcrs = registersOf(tpm)
  const proof = isUnproven ? ({ proof: 'not-proven' } as const) : {}
  const device = findBootedDevice((await dom0.devices()).devices, machine.aemUuid)
  const measured = await observeComponents(dom0, device, machine)
  const components = measured === null ? {} : { components: measured }
  return { at: host.now().toISOString(), bootId: machine.bootId, pcrs, ...components, ...proof }
}
