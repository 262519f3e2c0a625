import type { Reproduction } from '../../core/initramfs/reproduction.ts'
import { impossible } from '../../core/initramfs/reproduction-words.ts'
import { originalPath } from '../../core/launch/efi-entry.ts'
import type { OpenLook } from '../../core/vouch/vouched-by.ts'
import { valueOrNull } from '../../host/host.ts'
import { openDevice } from '../device/devices.ts'
import type { Dom0 } from '../dom0/dom0.ts'
import type { Place } from '../launch/vouch-evidence.ts'
import { reproduceInitramfs } from './reproduction.ts'

/** Makes an initramfs of the device that boots next again, and compares. */
export async function reproduceInitramfsOf(
  dom0: Dom0,
  { device }: Pick<Place, 'device'>,
  { path, kernelRelease, sha256 }: Extract<OpenLook, { kind: 'initramfs' }>,
  onProgress?: (what: string) => void,
): Promise<Reproduction> {
  const { host } = dom0
  const media = device === null ? null : valueOrNull(await openDevice(host, device))
  if (media === null) return impossible('unreadable', path)
  try {
    return await reproduceInitramfs(
      dom0,
      { path: `${media.root}${path}`, name: originalPath(path), kernelRelease, sha256 },
      onProgress,
    )
  } finally {
    await media.close()
  }
}
