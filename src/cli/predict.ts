import { makeDirectoryStore } from '../act/session-store.ts'
import { EXIT, ignoreFailure } from '../core/failure.ts'
import { LAUNCH_PCRS } from '../core/launch/pcr.ts'
import type { Host } from '../host/host.ts'
import { describePredictionLook } from '../messages/predict.ts'
import { observeDom0 } from '../observe/dom0/dom0.ts'
import { observePrediction } from '../observe/launch/prediction.ts'
import { observeMadeInBoot } from '../observe/launch/since-start.ts'
import { NO_EVIDENCE } from '../observe/launch/vouch-evidence.ts'
import { sayLook } from '../ui/render-message.ts'
import { makeUi, printJson, stateDirOf } from './context.ts'
import type { GlobalOptions, Io } from './io.ts'

/** `aem-reseal predict`: the launch registers of the next boot. */
export async function runPredict(io: Io, options: GlobalOptions, host: Host): Promise<number> {
  const dom0 = observeDom0(host)
  const ui = makeUi(io, options)
  const selected = await dom0.selectedPcrs()
  // A session that cannot be read vouches for nothing; `status` says what to do about it.
  const session = await makeDirectoryStore(host, stateDirOf(options)).load().catch(ignoreFailure)
  const evidence = { ...NO_EVIDENCE, madeBefore: await observeMadeInBoot(dom0, session) }
  const { prediction, outcome, unvouched } = await ui.progress('hashing what the next boot measures', () =>
    observePrediction(dom0, selected ?? LAUNCH_PCRS, null, evidence),
  )
  if (options.json) printJson(io, 'predict', { ...prediction, unvouched })
  else sayLook(ui, describePredictionLook(outcome, prediction, unvouched, session !== null))
  return outcome === 'complete' ? EXIT.done : EXIT.attention
}
