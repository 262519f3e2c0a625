import {
  type AemJournal,
  parseAemJournal,
  parseUnitShow,
  type UnitState,
} from '../../core/aem/seal-outcome.ts'
import type { Host } from '../../host/host.ts'
import { valueOrNull } from '../../host/host.ts'
import { command } from '../../tables/commands.ts'
import { exists, parsed, readTextOrNull } from '../read-text.ts'

export const SEAL_UNIT = 'anti-evil-maid-seal.service'

export type SealState = {
  readonly journal: AemJournal | null
  readonly unit: UnitState | null
  /** Suffix cached by this boot's initrd. */
  readonly cachedSuffix: string | null
  readonly runDirectory: boolean | null
  readonly unsealSuccess: boolean | null
}

/** Traces of AEM's unseal and seal in this boot. */
export async function observeSealState(host: Host): Promise<SealState> {
  const journal = valueOrNull(await host.run(command('aem-journal', {})))
  const show = await host.run(command('unit-show', { unit: SEAL_UNIT }))
  return {
    journal: journal?.exit === 0 ? parseAemJournal(journal.stdout) : null,
    unit: valueOrNull(parsed(show, ({ stdout }) => parseUnitShow(stdout), 'systemctl show')),
    cachedSuffix: (await readTextOrNull(host, '/run/anti-evil-maid/suffix'))?.trim() ?? null,
    runDirectory: await exists(host, '/run/anti-evil-maid'),
    unsealSuccess: await exists(host, '/run/anti-evil-maid/unseal-success'),
  }
}
