import { parseSealSelection } from '../core/aem/configuration.ts'
import type { Host } from '../host/host.ts'
import { readTextOrNull } from './read.ts'

/** The PCRs that AEM seals to (SEAL of /etc/anti-evil-maid.conf), ascending; null where they could not be read. */
export async function observeSelection(host: Host): Promise<readonly number[] | null> {
  const configuration = await readTextOrNull(host, '/etc/anti-evil-maid.conf')
  return configuration === null ? null : parseSealSelection(configuration)
}
