import type { SecretAnswer } from '../../core/decide/facts.ts'
import type { ForwardOutcome } from '../../core/decide/forward-outcome.ts'
import type { Outcomes } from '../../core/decide/outcomes.ts'
import type { Session } from '../../core/session/checkpoint.ts'
import { describeNoSecret } from '../../messages/alarm.ts'
import { describeSecretAnswer, secretQuestion } from '../../messages/secret.ts'
import { observeExplanation } from '../../observe/launch/explanation.ts'
import { observeForwardOutcome } from '../../observe/seal/forward-outcome.ts'
import { makeReproduce } from '../reproduce-again.ts'
import type { Step, StepContext } from '../step.ts'

/**
 * The first thing after the restart: did the person's own sentence appear, where that proves something? After a forward seal
 * that was in force, and at a boot that confirms an accepted state. --yes takes AEM's journal instead, later on.
 */
export const askSecret: Step<'ask-secret'> = async (context) => {
  const { dom0, ui, options, session, simulateRestart } = context
  const unseal = (await dom0.seal()).journal?.unseal ?? null
  const { bootId } = await dom0.machine()
  const isFirst = session.approved === null || session.approved.bootId === bootId
  const { outcome: forward, mayBeSealedSince } = await observeForwardOutcome(dom0, session)
  // A dry run sealed nothing, and nothing was restarted.
  const vouches = !options.dryRun && (!isFirst || WAS_IN_FORCE.includes(forward))
  const facts = { unseal, forward, bootId }
  const report = (
    outcome: Exclude<Outcomes['ask-secret'], 'not-shown-alarm'>,
    answer: SecretAnswer | null,
  ) => ({
    outcome,
    facts: { ...facts, answer },
    message: describeSecretAnswer(outcome, { refused: answer === 'yes', vouches }),
  })
  if (!vouches || options.yes === true || !options.canAsk) return report('not-asked', null)
  const rehearsed = simulateRestart === null ? null : unseal === 'unsealed'
  const sealedFor = !isFirst ? 'accepted-state' : mayBeSealedSince ? 'any-boot' : 'checked-boot'
  const answer = await ui.ask(
    secretQuestion({ sealedFor, rehearsed }, unseal === 'unsealed' ? 'yes' : 'not-sure'),
  )
  // What the TPM refused was shown by somebody else, or was not the own sentence.
  const isRefused = unseal === 'mismatch' || unseal === 'wrong-token'
  if (answer === 'yes') return report(isRefused ? 'not-sure' : 'shown', answer)
  if (answer === 'not-sure') return report('not-sure', answer)
  if (!isFirst) return report('not-shown', answer)
  const explanation = await explainNow(context)
  const { verdict, reasons } = explanation
  return {
    outcome: 'not-shown-alarm',
    facts: { ...facts, answer, verdict, reasons },
    message: describeNoSecret(explanation),
  }
}

/** The forward seal was in force at this boot: only the boot that was checked could show the secret. */
const WAS_IN_FORCE: readonly ForwardOutcome[] = ['shown', 'contradicted', 'unknown']

/** Nothing is asked any more: what is known of this boot is for the alarm. */
async function explainNow({ dom0, ui, session, store }: StepContext) {
  const versions = await store.loadVersions()
  return ui.progress('looking for what changed', () =>
    observeExplanation(dom0, session, versions, { reproduce: makeReproduce(dom0, ui, false) }),
  )
}

/** What the person said of their sentence in this boot; null: they were not asked. */
export function secretAnswerOf(
  { findings }: Pick<Session, 'findings'>,
  bootId: string | null,
): SecretAnswer | null {
  const facts = findings['ask-secret']
  return facts !== undefined && bootId !== null && facts.bootId === bootId ? (facts.answer ?? null) : null
}
