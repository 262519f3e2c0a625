import { isReady } from '../../core/decide/readiness.ts'
import { describeForwardGate } from '../../messages/forward-seal.ts'
import { observeForwardReadiness } from '../seal/forward-plan.ts'
import type { Step } from '../step.ts'

export const gateForwardSeal: Step<'gate-forward-seal'> = async ({ host, ui, session }) => {
  const { checks, plan } = await ui.progress('checking device, TPM and prediction', () =>
    observeForwardReadiness(host, session),
  )
  const outcome = isReady(checks) && plan !== null ? 'ready' : 'blocked'
  return { outcome, facts: { checks }, message: describeForwardGate(outcome, checks) }
}
