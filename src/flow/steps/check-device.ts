import { findToken } from '../../act/forward-seal/find-token.ts'
import { decideBootDevice } from '../../core/decide/boot-device.ts'
import { decideDeviceWork } from '../../core/decide/device-work.ts'
import { describeDeviceCheck } from '../../messages/forward-device.ts'
import { observeBootDevice } from '../../observe/device/boot-device.ts'
import { observeTarget } from '../../observe/device/session-device.ts'
import { observeApproved } from '../../observe/launch/approved-state.ts'
import { areCopiesSame } from '../../observe/seal/own-copy.ts'
import type { Step } from '../step.ts'

/** Can this device be sealed forward from here: another one than was booted, up to date, in an approved state? */
export const checkDevice: Step<'check-device'> = async ({ dom0, host, ui, session, store }) => {
  const device = await observeTarget(dom0, session)
  const booted = await dom0.booted()
  const look = await store.loadDevices()
  const label = device?.label ?? session.device ?? ''
  const isBooted = device !== null && device.uuid === booted?.uuid
  const { isOpen, checks } = await ui.progress('hashing the boot files of the device', () =>
    observeBootDevice(dom0, device, null),
  )
  const files = decideBootDevice({ present: device?.present ?? false, isOpen }, checks)
  const approved = await observeApproved(dom0, look, null)
  const facts = { device: label, uuid: device?.uuid ?? null, files: checks, bootFiles: files, approved }
  const work = decideDeviceWork(look, {
    label,
    present: device?.present ?? null,
    bootFiles: null,
    copies: { areSame: device === null ? null : await areCopiesSame(dom0, device) },
  })
  // Verified once, but another device's seal may have taken its slot since.
  const token = await findToken(host, device, booted, (await dom0.tpm()).version)
  const isDone = work?.state === 'done' && token.label === label
  const isReady = !isBooted && files === 'current' && approved.ok === true
  const outcome = !isReady ? 'blocked' : isDone ? 'nothing-to-do' : 'ready'
  return {
    outcome,
    facts,
    message: describeDeviceCheck(outcome, { label, isBooted, isThere: device !== null, files, approved }),
  }
}
