import { type GateCheck, isReady } from '../../core/decide/readiness.ts'
import { describeResealGate } from '../../messages/after-restart.ts'
import { observeSealReadiness } from '../../observe/seal-readiness.ts'
import { observeSelection } from '../../observe/selection.ts'
import { observeTpm } from '../../observe/tpm.ts'
import type { Step } from '../step.ts'

export type { GateCheck }

/** AEM writes the freshness slot in the TPM before it touches the device: what would fail must fail here. */
export const gateReseal: Step<'gate-reseal'> = async ({ host }) => {
  const { checks } = await observeSealReadiness(host, await observeTpm(host), await observeSelection(host))
  const outcome = isReady(checks) ? 'ready' : 'blocked'
  return { outcome, facts: { checks }, message: describeResealGate(outcome, checks) }
}
