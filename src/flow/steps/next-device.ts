import { listChangedFiles } from '../../core/decide/changed-files.ts'
import type { DeviceLeft, DeviceWork } from '../../core/decide/device-need.ts'
import { decideDeviceWork } from '../../core/decide/device-work.ts'
import { isForwardSpent } from '../../core/decide/slot-tokens.ts'
import type { LedgerLook } from '../../core/session/device-ledger.ts'
import { describeDevicesLeft } from '../../messages/after-restart.ts'
import { findBootedDevice } from '../../observe/device/devices.ts'
import type { DeviceStatus } from '../../observe/dom0/device-status.ts'
import { observeStatus } from '../../observe/dom0/status.ts'
import type { Step } from '../step.ts'

/**
 * Every other device carries its own copies and its own PCR 19: it needs its own boot, unless it was verified in one
 * since this state was approved.
 */
export const nextDevice: Step<'next-device'> = async ({ dom0, store }) => {
  const { devices, machine, tpm, areDevicesKnown } = await observeStatus(dom0)
  const booted = findBootedDevice(devices, machine.aemUuid)
  const look = await store.loadDevices()
  const left = devices.flatMap((device): DeviceLeft[] => {
    // Nobody is told to boot from a stick that is none of this dom0's.
    if (device.isForeign || (booted !== null && device.label === booted.label)) return []
    const work =
      decideDeviceWork(look, {
        ...device,
        isChanged: isChanged(device, look),
        isForwardSpent: isForwardSpent(look, device.label, devices, tpm.version),
      }) ?? unremembered(device, isChanged(device, look))
    return work.state === 'done' ? [] : [{ label: device.label, work }]
  })
  const labels = [...new Set(left.map(({ label }) => label))]
  const outcome = left.length > 0 ? 'devices-left' : areDevicesKnown ? 'none-left' : 'unknown'
  return {
    outcome,
    facts: { devicesLeft: labels, work: left, isComplete: areDevicesKnown, deviceList: look.state },
    message: describeDevicesLeft(outcome, left, areDevicesKnown),
    session: { devicesLeft: outcome === 'unknown' ? null : labels },
  }
}

function isChanged({ otherFiles, label }: DeviceStatus, look: LedgerLook): boolean {
  return listChangedFiles(otherFiles, look, label).length > 0
}

/** Without a device ledger nothing shows that another one was done. */
function unremembered({ present, bootFiles }: DeviceStatus, isOther: boolean): DeviceWork {
  const needs = present === false ? 'plug-in' : bootFiles === 'stale' ? 'refresh' : 'own-boot'
  return {
    state: 'to-do',
    needs: isOther ? 'changed' : needs,
    why: 'nothing shows that it was done',
    since: null,
  }
}
