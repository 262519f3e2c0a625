import { decideBootDevice } from '../../core/decide/boot-device.ts'
import { describeBootDevice } from '../../messages/before-restart.ts'
import { observeBootDevice } from '../../observe/device/boot-device.ts'
import type { Step } from '../step.ts'

export const checkBootDevice: Step<'check-boot-device'> = async ({ dom0, ui }) => {
  const machine = await dom0.machine()
  const device = await dom0.booted()
  const facts = await ui.progress('hashing the files that boot next', () =>
    observeBootDevice(dom0, device, machine.xen.buildId),
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
