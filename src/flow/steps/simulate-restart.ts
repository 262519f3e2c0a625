import { describeSimulatedRestart } from '../../messages/after-restart.ts'
import { observeMachine } from '../../observe/machine.ts'
import { observeSealOutcome } from '../../observe/seal-outcome.ts'
import type { Step, StepContext } from '../step.ts'

export const simulateRestart: Step<'simulate-restart'> = async (context) => {
  if (context.simulateRestart === null) throw new Error('only a rehearsal can simulate a restart')
  await context.simulateRestart()
  return { outcome: 'restarted', facts: {}, message: describeSimulatedRestart(await isRefused(context)) }
}

/** Sealed forward, and no secret; not in a rehearsal in dom0, where nothing was sealed and nothing restarts. */
async function isRefused({ host, options, session }: StepContext): Promise<boolean> {
  if (session.protection !== 'forward-seal' || session.approved !== null || options.dryRun) return false
  const { bootedWithAem } = await observeMachine(host)
  const { state } = await observeSealOutcome(host, session)
  return bootedWithAem === true && state.journal?.unseal !== 'unsealed'
}
