import { listForwardValues } from '../../core/seal/forward-record.ts'
import { describeVerification } from '../../messages/after-restart.ts'
import { type AemDevice, findBootedDevice, observeDevices } from '../../observe/devices.ts'
import { observeMachine } from '../../observe/machine.ts'
import { observeVerification } from '../../observe/verify.ts'
import { rememberVerification } from '../remember-devices.ts'
import type { Step, StepContext } from '../step.ts'

export const verify: Step<'verify'> = async (context) => {
  const { host, ui, session, store, options } = context
  const booted = await findPluggedIn(context)
  const forward = listForwardValues(session, await store.loadDevices())
  const results = await ui.progress('checking the sealed copies', () =>
    observeVerification(host, booted?.suffix ?? null, forward),
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

/** The device of this boot; a stick that AEM's seal wanted unplugged is asked for again. */
async function findPluggedIn({ host, ui, options }: StepContext): Promise<AemDevice | null> {
  const machine = await observeMachine(host)
  for (;;) {
    const booted = findBootedDevice(await observeDevices(host, machine), machine.aemUuid)
    if (booted?.present !== false || !options.canAsk) return booted
    const answer = await ui.ask<'now' | 'later'>({
      id: 'plug-in',
      message: `${booted.label} is not plugged in. Its sealed copy can be checked only while it is.`,
      choices: [
        { value: 'later', label: 'check it later', hint: 'nothing is claimed of it until then' },
        { value: 'now', label: 'it is plugged in again' },
      ],
      default: 'later',
      withYes: 'later',
    })
    if (answer === 'later') return booted
  }
}
