import { valueOrNull } from '../../host/host.ts'
import { type AemDevice, openDevice } from '../device/devices.ts'
import type { Dom0 } from '../dom0/dom0.ts'
import { haveSameFiles, observeSealedCopy } from './sealed-copy.ts'

/** Are a device's own sealed files those that dom0 has? null where one of both could not be read. */
export async function areCopiesSame(dom0: Dom0, device: AemDevice): Promise<boolean | null> {
  const { host } = dom0
  const tpmId = await dom0.tpmId()
  const media = tpmId === null ? null : valueOrNull(await openDevice(host, device))
  if (tpmId === null || media === null) return null
  try {
    const [own, inDom0] = await Promise.all([
      observeSealedCopy(host, `${media.root}/aem`, tpmId, device.label),
      observeSealedCopy(host, '/var/lib', tpmId, device.label),
    ])
    return haveSameFiles(own, inDom0)
  } finally {
    await media.close()
  }
}
