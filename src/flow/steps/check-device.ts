import { decideBootDevice } from '../../core/decide/boot-device.ts'
import { decideDeviceWork } from '../../core/decide/device-work.ts'
import { describeDeviceCheck } from '../../messages/forward-device.ts'
import { observeApproved } from '../../observe/approved.ts'
import { observeBootDevice } from '../../observe/boot-device.ts'
import { findBootedDevice, observeDevices } from '../../observe/devices.ts'
import { observeMachine } from '../../observe/machine.ts'
import { observeTarget } from '../../observe/target.ts'
import { observeTpm } from '../../observe/tpm.ts'
import { findToken } from '../seal/find-token.ts'
import type { Step } from '../step.ts'

/** Can this device be sealed forward from here: another one than was booted, up to date, in an approved state? */
export const checkDevice: Step<'check-device'> = async ({ host, ui, session, store }) => {
  const machine = await observeMachine(host)
  const device = await observeTarget(host, session)
  const booted = findBootedDevice(await observeDevices(host, machine), machine.aemUuid)
  const look = await store.loadDevices()
  const label = device?.label ?? session.device ?? ''
  const isBooted = device !== null && device.uuid === booted?.uuid
  const { isOpen, checks } = await ui.progress('hashing the boot files of the device', () =>
    observeBootDevice(host, device, null),
  )
  const files = decideBootDevice({ present: device?.present ?? false, isOpen }, checks)
  const approved = await observeApproved(host, look, null)
  const facts = { device: label, uuid: device?.uuid ?? null, files: checks, bootFiles: files, approved }
  const work = decideDeviceWork(look, { label, present: device?.present ?? null, bootFiles: null })
  // Verified once, but another device's seal may have taken its slot since.
  const token = await findToken(host, device, booted, (await observeTpm(host)).version)
  const isDone = work?.state === 'done' && token.label === label
  const isReady = !isBooted && files === 'current' && approved.ok === true
  const outcome = !isReady ? 'blocked' : isDone ? 'nothing-to-do' : 'ready'
  return {
    outcome,
    facts,
    message: describeDeviceCheck(outcome, { label, isBooted, isThere: device !== null, files, approved }),
  }
}
