import type { z } from 'zod'
import { answerStatus, type StatusAnswer } from '../../src/cli/status.ts'
import { makeDirectoryStore } from '../../src/flow/store.ts'
import type { Host } from '../../src/host/host.ts'
import { observeDom0 } from '../../src/observe/dom0.ts'
import { DEFAULT_STATE_DIR } from '../../src/paths.ts'
import { SESSION_ID } from './built-in.ts'
import type { statusShape } from './contract.ts'
import { runMain } from './io.ts'
import type { RecordedDom0 } from './recorded-machine.ts'

/** What `status` answers of a machine. */
export async function statusAnswerOf(host: Host, stateDir = DEFAULT_STATE_DIR): Promise<StatusAnswer> {
  return (await answerStatus(observeDom0(host), makeDirectoryStore(host, stateDir), SESSION_ID)).answer
}

/** The JSON answer of `status` and its screen, of a machine made by the tests. */
export async function lookAtRecorded(
  machine: RecordedDom0,
): Promise<{ readonly json: z.infer<typeof statusShape>; readonly text: string }> {
  const directory = machine.write()
  const { statusShape: shape } = await import('./contract.ts')
  const json = shape.parse((await runMain(['status', '--json', '--machine', directory])).json)
  return { json, text: (await runMain(['status', '--machine', directory])).stdout }
}
