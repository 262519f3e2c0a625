import { describeSimulatedRestart } from '../../messages/after-restart.ts'
import { observeSealOutcome } from '../../observe/seal/seal-outcome.ts'
import type { Step, StepContext } from '../step.ts'

export const simulateRestart: Step<'simulate-restart'> = async (context) => {
  if (context.simulateRestart === null) throw new Error('only a rehearsal can simulate a restart')
  await context.simulateRestart()
  return { outcome: 'restarted', facts: {}, message: describeSimulatedRestart(await isRefused(context)) }
}

/** Sealed forward, and no secret; not in a rehearsal in dom0, where nothing was sealed and nothing restarts. */
async function isRefused({ dom0, options, session }: StepContext): Promise<boolean> {
  if (session.protection !== 'forward-seal' || session.approved !== null || options.dryRun) return false
  const { bootedWithAem } = await dom0.machine()
  const { state } = await observeSealOutcome(dom0, session)
  return bootedWithAem === true && state.journal?.unseal !== 'unsealed'
}
