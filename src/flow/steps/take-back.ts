import { restoreSession } from '../../act/forward-seal/restore.ts'
import { cancelRestart } from '../../act/restart.ts'
import { Failure } from '../../core/failure.ts'
import { NOTHING_BEGUN } from '../../core/session/checkpoint.ts'
import { describeTakeBack } from '../../messages/prepared.ts'
import type { Step } from '../step.ts'

/** Does what `cancel` does, so that the wizard can start over. Ended half-way it is done again. */
export const takeBack: Step<'take-back'> = async ({ dom0, host, session }) => {
  const isScheduled = await cancelRestart(host, session)
  try {
    const restored = await restoreSession(dom0, session)
    return {
      outcome: 'taken-back',
      facts: { restartCancelled: isScheduled, forwardSeal: restored?.device ?? null },
      message: describeTakeBack('taken-back', restored, null),
      session: { flow: 'post-update', ...NOTHING_BEGUN },
    }
  } catch (error) {
    if (!(error instanceof Failure)) throw error
    return {
      outcome: 'failed',
      facts: { restartCancelled: isScheduled, what: error.text.what },
      message: describeTakeBack('failed', null, error.text),
    }
  }
}
