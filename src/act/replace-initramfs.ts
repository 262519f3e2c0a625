import type { FreshImage } from '../core/initramfs/reproduction.ts'
import type { Host } from '../host/host.ts'
import { valueOrNull } from '../host/host.ts'
import type { AemDevice } from '../observe/device/devices.ts'
import { command } from '../tables/commands.ts'
import { makeFailure } from '../tables/failures.ts'

/**
 * Puts an initramfs that dom0 made now in the place of the one on a device, in one rename; to be called after a person said so.
 * @param name as GRUB names it, `/initramfs-RELEASE.img`
 * @throws Failure `refresh-failed`, `write-failed`, `disk-full`; the old image is there as it was then
 */
export async function replaceInitramfs(
  host: Host,
  device: AemDevice,
  name: string,
  fresh: FreshImage,
): Promise<void> {
  const media = valueOrNull(
    await host.openMedia({ uuid: device.uuid ?? '', mountPoint: device.mountPoint, write: true }),
  )
  if (media === null)
    throw makeFailure('refresh-failed', { what: `${device.label} could not be opened for writing` })
  try {
    await host.copyFile(fresh.path, `${media.root}${name}`, fresh.sha256)
    const sync = await host.run(command('sync-filesystem', { path: media.root }))
    if (sync.state !== 'seen' || sync.value.exit !== 0)
      throw makeFailure('refresh-failed', { what: `${name} was copied, but the device could not be synced` })
  } finally {
    await media.close()
  }
}
