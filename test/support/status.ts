import type { z } from 'zod'
import type { Host } from '../../src/host/host.ts'
import { DEFAULT_STATE_DIR } from '../../src/tables/paths.ts'
import { ANSWERS } from './answers.ts'
import { runMain } from './io.ts'
import type { RecordedDom0 } from './recorded-machine.ts'

export type StatusAnswer = z.infer<typeof ANSWERS.status>

/** What `status --json` answers of a machine. */
export async function statusAnswerOf(host: Host, stateDir = DEFAULT_STATE_DIR): Promise<StatusAnswer> {
  return ANSWERS.status.parse((await runMain(['status', '--json', '--state-dir', stateDir], { host })).json)
}

/** The JSON answer of `status` and its screen, of a machine made by the tests. */
export async function lookAtRecorded(
  machine: RecordedDom0,
): Promise<{ readonly json: StatusAnswer; readonly text: string }> {
  const directory = machine.write()
  const json = ANSWERS.status.parse((await runMain(['status', '--json', '--machine', directory])).json)
  return { json, text: (await runMain(['status', '--machine', directory], { columns: 80 })).stdout }
}
