import { describeSealOutcome } from '../../messages/after-restart.ts'
import { observeForwardOutcome } from '../../observe/seal/forward-outcome.ts'
import { observeSealOutcome } from '../../observe/seal/seal-outcome.ts'
import type { Step } from '../step.ts'

export const readSealOutcome: Step<'read-seal-outcome'> = async ({ dom0, session, store }) => {
  const observed = await observeSealOutcome(dom0, session, await store.loadHeldNote())
  const forward = await observeForwardOutcome(dom0, session)
  return {
    outcome: observed.outcome,
    facts: {
      forward: forward.outcome,
      unseal: observed.state.journal?.unseal ?? null,
      sealedInThisBoot: observed.sealedInThisBoot,
      sealedFiles: observed.state.journal?.sealedFiles ?? null,
      failedFiles: observed.state.journal?.failedFiles ?? null,
      sanityCheckFailed: observed.state.journal?.sanityCheckFailed ?? null,
      sealFailed: observed.state.journal?.sealFailed ?? null,
      waitingFor: observed.state.journal?.isWaitingForDevice ?? null,
      unit: observed.state.unit,
      heldBecause: observed.heldNote?.why ?? null,
    },
    message: describeSealOutcome(
      observed.outcome,
      observed.state,
      observed.sealedInThisBoot,
      observed.heldNote,
      session,
      forward,
    ),
  }
}
