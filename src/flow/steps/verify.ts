import { rememberVerification } from '../../act/update-ledger.ts'
import { listForwardValues } from '../../core/seal/forward-of-session.ts'
import { describeVerification } from '../../messages/verify.ts'
import { observeVerification } from '../../observe/verify/verify.ts'
import { askForBootedDevice } from '../ask-for-device.ts'
import type { Step } from '../step.ts'
import { secretAnswerOf } from './ask-secret.ts'

export const verify: Step<'verify'> = async (context) => {
  const { ui, session, store, options } = context
  const { device: booted, dom0 } = await askForBootedDevice(
    context,
    'Its sealed copy can be checked only while it is.',
  )
  const look = await store.loadDevices()
  const forward = listForwardValues(session, look)
  const results = await ui.progress('checking the sealed copies', () =>
    observeVerification(dom0, booted?.suffix ?? null, { forward, look }),
  )
  const own = results.find((result) => result.device === booted?.label)
  const outcome = own === undefined || own.ok === null ? 'not-verified' : own.ok ? 'verified' : 'failed'
  const remembered = options.dryRun
    ? null
    : await rememberVerification(dom0, store, results, session.approved)
  const isDenied = secretAnswerOf(session, (await dom0.machine()).bootId) === 'no'
  return {
    outcome,
    facts: { devices: results, remembered: remembered?.state ?? null },
    message: describeVerification(outcome, results, isDenied),
  }
}
