import {
  type Check,
  checkMediaCurrent,
  checkPolicy,
  checkSelection,
  combineChecks,
} from '../core/decide/verify-copies.ts'
import type { Host } from '../host/host.ts'
import { valueOrNull } from '../host/host.ts'
import { type AemDevice, observeDevices, openDevice } from './devices.ts'
import { observeMachine } from './machine.ts'
import { observeSealedCopy, observeTpmId } from './sealed.ts'
import { observeStatus } from './status.ts'

export type DeviceVerification = {
  readonly device: string
  readonly ok: boolean | null
  readonly checks: readonly Check[]
}

/** Checks of every AEM device's own sealed copy; a device that is not plugged in comes back with nulls. */
export async function observeVerification(
  host: Host,
  suffix: string | null,
): Promise<readonly DeviceVerification[]> {
  const machine = await observeMachine(host)
  const devices = (await observeDevices(host, machine)).filter(
    (device) => suffix === null || device.suffix === suffix,
  )
  const results: DeviceVerification[] = []
  for (const device of devices) results.push(await verifyDevice(host, device))
  return results
}

async function verifyDevice(host: Host, device: AemDevice): Promise<DeviceVerification> {
  const { aem, tpm } = await observeStatus(host)
  const tpmId = await observeTpmId(host)
  const values = tpm.bank === null ? {} : (tpm.pcrs[tpm.bank] ?? {})
  const dom0 = tpmId === null ? null : await observeSealedCopy(host, '/var/lib', tpmId, device.label)
  const media = tpmId === null ? null : valueOrNull(await openDevice(host, device))
  try {
    const own =
      media && tpmId ? await observeSealedCopy(host, `${media.root}/aem`, tpmId, device.label) : null
    const keyPub = own ? valueOrNull(await host.readFile(`${own.directory}/key.pub`)) : null
    const checks: Check[] = [
      checkMediaCurrent(own?.files ?? null, dom0?.files ?? null),
      ...(tpm.version === '1.2'
        ? []
        : [
            checkSelection(own?.keyPcrs ?? null, aem.selectedPcrs),
            checkPolicy(keyPub, aem.selectedPcrs, values),
          ]),
    ]
    return { device: device.label, ok: combineChecks(checks), checks }
  } finally {
    await media?.close()
  }
}
