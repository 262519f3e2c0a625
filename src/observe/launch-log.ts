import { command } from '../commands.ts'
import type { Host } from '../host/host.ts'
import { valueOrNull } from '../host/host.ts'

/** The raw launch log, or null: without it the program says less, never more. */
export async function observeLaunchLog(host: Host): Promise<string | null> {
  const log = valueOrNull(await host.run(command('launch-log', {})))
  return log?.exit === 0 && log.stdout !== '' ? log.stdout : null
}
