import { readSealSelection, type SelectionLook } from '../../core/aem/seal-selection.ts'
import type { Host } from '../../host/host.ts'
import { AEM_CONFIGURATION } from '../../tables/paths.ts'
import { readText } from '../read-text.ts'

/** The PCRs that AEM seals to (SEAL of /etc/anti-evil-maid.conf), or why they are not known. */
export async function observeSealSelection(host: Host): Promise<SelectionLook> {
  const text = await readText(host, AEM_CONFIGURATION)
  if (text.state === 'seen') return readSealSelection(text.value)
  return text.state === 'absent' ? { state: 'absent' } : { state: 'unreadable', reason: text.why }
}
