import { describeDevicesLeft } from '../../messages/after-restart.ts'
import { observeAllDevices } from '../../observe/devices.ts'
import { observeMachine } from '../../observe/machine.ts'
import type { Step } from '../step.ts'

/** Every other device carries its own copies and its own PCR 19: it needs its own boot. */
export const nextDevice: Step<'next-device'> = async ({ host }) => {
  const machine = await observeMachine(host)
  const { devices, isComplete } = await observeAllDevices(host, machine)
  const left = devices
    .filter((device) => device.uuid === null || device.uuid !== machine.aemUuid)
    .map(({ label }) => label)
  const outcome = left.length > 0 ? 'devices-left' : isComplete ? 'none-left' : 'unknown'
  return {
    outcome,
    facts: { devicesLeft: left, isComplete },
    message: describeDevicesLeft(outcome, left, isComplete),
    session: { devicesLeft: outcome === 'unknown' ? null : left },
  }
}
