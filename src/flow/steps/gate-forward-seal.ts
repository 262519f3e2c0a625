import { observeForwardReadiness } from '../../act/forward-seal/plan.ts'
import { isReady } from '../../core/decide/readiness.ts'
import { describeForwardGate } from '../../messages/forward-seal.ts'
import { rememberSrkPassword } from '../../observe/seal/srk-password.ts'
import type { Step } from '../step.ts'

export const gateForwardSeal: Step<'gate-forward-seal'> = async ({ dom0, host, ui, session, store }) => {
  const devices = await store.loadDevices()
  const look = () =>
    ui.progress('checking device, TPM and prediction', () => observeForwardReadiness(dom0, session, devices))
  let { checks, plan } = await look()
  const needsPassword = checks.some((check) => check.id === 'srk-password' && check.ok === false)
  const isElseReady = checks.every((check) => check.ok === true || check.id === 'srk-password')
  if (needsPassword && isElseReady) {
    const password = (await ui.askSecret?.('TPM SRK password (this boot keeps it no more)')) ?? null
    if (password !== null && password.length > 0) {
      rememberSrkPassword(host, password)
      ;({ checks, plan } = await look())
    }
  }
  const outcome = isReady(checks) && plan !== null ? 'ready' : 'blocked'
  return { outcome, facts: { checks }, message: describeForwardGate(outcome, checks, session.device) }
}
