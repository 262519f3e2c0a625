import { forwardValuesOf } from '../../core/seal/forward-record.ts'
import { describeVerification } from '../../messages/after-restart.ts'
import { findBootedDevice, observeDevices } from '../../observe/devices.ts'
import { observeMachine } from '../../observe/machine.ts'
import { observeVerification } from '../../observe/verify.ts'
import { rememberVerification } from '../remember-devices.ts'
import type { Step } from '../step.ts'

export const verify: Step<'verify'> = async ({ host, ui, session, store, options }) => {
  const machine = await observeMachine(host)
  const booted = findBootedDevice(await observeDevices(host, machine), machine.aemUuid)
  const results = await ui.progress('checking the sealed copies', () =>
    observeVerification(host, booted?.suffix ?? null, forwardValuesOf(session)),
  )
  const own = results.find((result) => result.device === booted?.label)
  const outcome = own === undefined || own.ok === null ? 'not-verified' : own.ok ? 'verified' : 'failed'
  const remembered = options.dryRun
    ? null
    : await rememberVerification(host, store, results, session.approved)
  return {
    outcome,
    facts: { devices: results, remembered: remembered?.state ?? null },
    message: describeVerification(outcome, results),
  }
}
