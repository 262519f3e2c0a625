import { describeCheckpoint } from '../../messages/restart.ts'
import type { Step } from '../step.ts'

/** The runner has written the session before this step; it is read again here. */
export const checkpoint: Step<'checkpoint'> = async ({ store, session, simulateRestart }) => {
  const kept = await store.load()
  if (kept === null || kept.id !== session.id || kept.baseline === null) {
    throw new Error('the session that was just written does not read back')
  }
  return {
    outcome: 'saved',
    facts: { id: kept.id, since: kept.since },
    message: describeCheckpoint(session, simulateRestart !== null),
  }
}
