import { decideBootDevice } from '../../core/decide/boot-device.ts'
import { describeBootDevice } from '../../messages/before-restart.ts'
import { observeBootDevice } from '../../observe/boot-device.ts'
import { findBootedDevice, observeDevices } from '../../observe/devices.ts'
import { observeMachine } from '../../observe/machine.ts'
import type { Step } from '../step.ts'

export const checkBootDevice: Step<'check-boot-device'> = async ({ host, ui }) => {
  const machine = await observeMachine(host)
  const device = findBootedDevice(await observeDevices(host, machine), machine.aemUuid)
  const facts = await ui.progress('hashing the files that boot next', () =>
    observeBootDevice(host, device, machine.xen.buildId),
  )
  const outcome = decideBootDevice({ present: device?.present ?? null, isOpen: facts.isOpen }, facts.checks)
  return {
    outcome,
    facts: { device: device?.label ?? null, uuid: device?.uuid ?? null, files: facts.checks },
    message: describeBootDevice(outcome, {
      label: device?.label ?? null,
      isInternal: device?.mountPoint === '/boot',
      checks: facts.checks,
    }),
  }
}
