import { clearUnfinished } from '../../act/forward-seal/clear.ts'
import { Failure } from '../../core/failure.ts'
import { describeClearedForward } from '../../messages/forward-seal.ts'
import type { Step } from '../step.ts'

/** Power went while a forward seal was made: what is half-written is removed, and nothing that is in force is touched. */
export const clearForward: Step<'clear-forward'> = async ({ dom0, options, session }) => {
  if (options.dryRun)
    return { outcome: 'cleared', facts: {}, message: describeClearedForward('cleared', null) }
  try {
    const cleared = await clearUnfinished(dom0, session)
    return {
      outcome: 'cleared',
      facts: { ...cleared },
      message: describeClearedForward('cleared', cleared),
    }
  } catch (error) {
    if (!(error instanceof Failure)) throw error
    return {
      outcome: 'failed',
      facts: { what: error.text.what },
      message: describeClearedForward('failed', null, error.text.what),
    }
  }
}
