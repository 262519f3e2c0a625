import { postUpdate } from '../../flows/post-update.ts'
import { makeDirectoryStore } from '../../src/act/session-store.ts'
import { type Session, startSession } from '../../src/core/session/checkpoint.ts'
import { runFlow } from '../../src/flow/runner.ts'
import { STEPS } from '../../src/flow/steps.ts'
import { makeSimulatedHost } from '../../src/host/simulated/host.ts'
import type { SimMachine } from '../../src/host/simulated/model.ts'
import { observeMachine } from '../../src/observe/dom0/machine.ts'
import { DEFAULT_STATE_DIR } from '../../src/tables/paths.ts'
import { machineOf, RUN_OPTIONS, SESSION_ID } from './built-in.ts'
import { makeScriptedUi } from './scripted-ui.ts'

/** A machine on which `start` was run, each question answered with yes, up to the restart, and the session it left. */
export async function started(
  machine = machineOf('clean-update'),
): Promise<{ machine: SimMachine; session: Session }> {
  const host = makeSimulatedHost(machine)
  const ui = makeScriptedUi({ '*': 'yes' })
  const store = makeDirectoryStore(host, DEFAULT_STATE_DIR)
  const { bootId } = await observeMachine(host)
  const session = startSession({ id: SESSION_ID, now: host.now(), bootId, flow: 'post-update' })
  const context = { host, ui, store, options: RUN_OPTIONS, session, simulateRestart: null }
  await runFlow(postUpdate, postUpdate.start, STEPS, context)
  const left = await store.load()
  if (left === null) throw new Error('`start` left no session')
  return { machine, session: left }
}
