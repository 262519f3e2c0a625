import { type GateCheck, isReady } from '../../core/decide/readiness.ts'
import { describeResealGate } from '../../messages/after-restart.ts'
import { observeSealReadiness } from '../../observe/seal/seal-readiness.ts'
import type { Step } from '../step.ts'

/** AEM writes the freshness slot in the TPM before it touches the device: what would fail must fail here. */
export const gateReseal: Step<'gate-reseal'> = async ({ dom0 }) => {
  const readiness = await observeSealReadiness(dom0, await dom0.tpm(), await dom0.selectedPcrs())
  const checks = [...readiness.checks, checkCache((await dom0.seal()).cachedSuffix)]
  const outcome = isReady(checks) ? 'ready' : 'blocked'
  return { outcome, facts: { checks }, message: describeResealGate(outcome, checks) }
}

/**
 * Without the cache of this boot AEM's seal fails after it renewed the freshness slot, unless it has a terminal to ask
 * on (seen with anti-evil-maid 4.2.0 on TPM 1.2).
 */
function checkCache(cachedSuffix: string | null): GateCheck {
  const id = 'seal-cache'
  if (cachedSuffix !== null)
    return { id, ok: true, detail: "this boot's suffix is cached, as AEM's seal needs it" }
  const detail =
    'gone (TPM 1.2 removes it after a seal): run `sudo anti-evil-maid-seal SUFFIX` yourself, in a terminal'
  return { id, ok: false, detail }
}
