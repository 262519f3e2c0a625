import { type Bank, isUnset, PCR } from './pcr.ts'
import type { PredictedPcr } from './prediction.ts'
import { type Refusal, type RefusalCode, refuse } from './refusal.ts'

/** The register recomputed from the LUKS headers as they are now, lower-case hex, or why it could not be. */
export type LuksHeaders = { readonly value: string } | { readonly why: string }

/**
 * PCR 13 at the next boot. The launch does not fill it: AEM's initrd extends it with the LUKS headers, which lie on the
 * disk and not on the boot device (anti-evil-maid 4.2.0, 90anti-evil-maid/anti-evil-maid-unseal). So it keeps its value as
 * long as the headers are those that this boot measured; headers that changed since are predicted by nobody.
 * @param launchRefusal why nothing of the launch is predicted: then this register alone says nothing either
 */
export function predictLuksPcr(
  bank: Bank,
  now: string | null,
  headers: LuksHeaders,
  launchRefusal: Refusal | null,
): PredictedPcr {
  const row = (predicted: string | null, reason: string, code: RefusalCode | null): PredictedPcr => ({
    ...{ index: PCR.luksHeaders, bank, now, predicted, reason, code, components: [] },
  })
  const fault = findFault(now, headers)
  // A header that changed is told whatever is known of the launch: it may be somebody's doing.
  const refused = fault?.code === 'luks-header-changed' ? fault : (launchRefusal ?? fault)
  if (refused !== null) return row(null, refused.why, refused.code)
  return row(now, 'the LUKS headers are those this boot measured', null)
}

function findFault(now: string | null, headers: LuksHeaders): Refusal | null {
  if (now === null)
    return refuse('pcrs-unreadable', `the TPM's value of PCR ${PCR.luksHeaders} could not be read`)
  if (isUnset(now))
    return refuse('luks-header-unknown', 'AEM measured no LUKS header in this boot: the register is unset')
  if ('why' in headers)
    return refuse('luks-header-unknown', `the LUKS headers were not compared: ${headers.why}`)
  if (headers.value === now) return null
  return refuse(
    'luks-header-changed',
    'a LUKS header is not the one this boot measured (a passphrase or key slot was changed since)',
  )
}
