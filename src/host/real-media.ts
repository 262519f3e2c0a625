import { mkdir, readlink, rmdir } from 'node:fs/promises'
import { command } from '../tables/commands.ts'
import { mediaMountPoint } from '../tables/paths.ts'
import { readExt4State } from './ext4.ts'
import type { Host, MediaRequest, MountedMedia, Seen } from './host.ts'
import { ABSENT, seen, unknown } from './host.ts'
import type { Traces } from './leftovers.ts'
import { look } from './real-look.ts'

/**
 * A device where it is mounted, or mounted for the time of a look.
 * @param mounted roots of media that are open; kept here
 */
export async function openRealMedia(
  media: MediaRequest,
  host: Host,
  mounted: Set<string>,
  traces: Traces,
): Promise<Seen<MountedMedia>> {
  if (media.mountPoint !== null) {
    mounted.add(media.mountPoint)
    return seen({ root: media.mountPoint, close: async () => undefined })
  }
  const mountPoint = mediaMountPoint(media.uuid)
  const device = await look(() => readlink(`/dev/disk/by-uuid/${media.uuid}`))
  if (device.state !== 'seen') return ABSENT
  if (!media.write && (await readExt4State(`/dev/disk/by-uuid/${media.uuid}`))?.isJournalDirty)
    return unknown(
      `its file system was not closed cleanly, so what GRUB reads and what AEM's initrd reads may differ; fix it with \`sudo fsck.ext4 -p /dev/disk/by-uuid/${media.uuid}\``,
    )
  const made = await look(() => mkdir(mountPoint, { recursive: true, mode: 0o700 }))
  if (made.state !== 'seen') return unknown(`${mountPoint} could not be made`)
  const forget = await traces.note(`mounted-${media.uuid}`)
  const end = async (): Promise<void> => {
    // Empty only when nothing is mounted there.
    await rmdir(mountPoint).then(forget, () => undefined)
  }
  const id = media.write ? 'mount-media-writable' : 'mount-media'
  const mount = await host.run(command(id, { uuid: media.uuid, mountPoint }))
  if (mount.state !== 'seen' || mount.value.exit !== 0) {
    const why = mount.state === 'seen' ? mount.value.stderr.trim() : 'mount could not be run'
    await end()
    return unknown(`the device with UUID ${media.uuid} could not be mounted: ${why}`)
  }
  mounted.add(mountPoint)
  let isOpen = true
  return seen({
    root: mountPoint,
    async close() {
      if (!isOpen) return
      isOpen = false
      mounted.delete(mountPoint)
      await host.run(command('unmount-media', { mountPoint }))
      await end()
    },
  })
}
