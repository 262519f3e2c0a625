import { type BlockDevice, labelOf, listAemDevices, parseLsblk } from '../../core/aem/devices.ts'
import type { Host, MountedMedia, Seen } from '../../host/host.ts'
import { ABSENT, unknown, valueOrNull } from '../../host/host.ts'
import { command, isUuid } from '../../tables/commands.ts'
import { exists, parsed, readTextOrNull } from '../read-text.ts'

/** dom0's own list of AEM devices: a directory for each. */
export const AEM_DIR = '/var/lib/anti-evil-maid'

export type AemDevice = {
  readonly suffix: string
  readonly label: string
  readonly uuid: string | null
  /** Freshness slot 0 to 7. */
  readonly slot: number | null
  readonly present: boolean | null
  /** Where it is mounted now; null when it is not, or not known. */
  readonly mountPoint: string | null
  readonly isReadOnly: boolean | null
  readonly isRemovable: boolean | null
  /**
   * A device with an AEM label that is none of this dom0's, as far as can be told. Anybody can give a stick that label: it
   * is never opened.
   */
  readonly isForeign?: boolean
}

export type AemDevices = {
  readonly devices: readonly AemDevice[]
  /** lsblk answered and dom0's directories could be listed: there are no others. */
  readonly isComplete: boolean
}

export async function observeDevices(
  host: Host,
  booted: { aemUuid: string | null },
): Promise<readonly AemDevice[]> {
  return (await observeAllDevices(host, booted)).devices
}

/** AEM devices by label and by dom0's directories. */
export async function observeAllDevices(host: Host, booted: { aemUuid: string | null }): Promise<AemDevices> {
  const blocks = valueOrNull(
    parsed(await host.run(command('lsblk', {})), ({ stdout }) => parseLsblk(stdout), 'lsblk'),
  )
  const listing = await host.listDirectory(AEM_DIR)
  const directories = valueOrNull(listing)
  const bootedSuffix = (await readTextOrNull(host, '/run/anti-evil-maid/suffix'))?.trim() ?? null
  const listed = listAemDevices(blocks, directories)
  // Only a recording may leave the list of directories out; nothing of it is mounted.
  const known = directories ?? (listing.state === 'unknown' && host.kind !== 'real' ? null : [])
  const isBooted = (block: BlockDevice): boolean => booted.aemUuid !== null && block.uuid === booted.aemUuid
  const isForeignBlock = (label: string, block: BlockDevice): boolean => {
    if (block.mountPoint === '/boot') return false
    const copies = listed.filter((other) => other.block !== null && other.block.uuid === block.uuid)
    if (isBooted(block) && copies.length === 1) return false
    const twins = listed.filter((other) => other.block !== null && labelOf(other.suffix) === label)
    // dom0 keeps one directory for a label: which of two sticks it belongs to cannot be told.
    return twins.length > 1 || (known !== null && !known.includes(label))
  }
  const devices = await Promise.all(
    listed.map(async ({ suffix, block }) => {
      const label = labelOf(suffix)
      const foreign = block?.uuid ?? (suffix === bootedSuffix ? booted.aemUuid : null)
      const uuid = foreign !== null && isUuid(foreign) ? foreign : null
      const isForeign = block !== null && isForeignBlock(label, block)
      return {
        suffix,
        label,
        uuid,
        slot: isForeign
          ? null
          : parseSlot(await readTextOrNull(host, `${AEM_DIR}/${label}/tpm-freshness-slot`)),
        present: block ? true : await isPresent(host, blocks, uuid),
        mountPoint: block?.mountPoint ?? null,
        isReadOnly: block?.isReadOnly ?? null,
        isRemovable: block?.isRemovable ?? null,
        isForeign,
      }
    }),
  )
  return { devices, isComplete: blocks !== null && listing.state !== 'unknown' }
}

async function isPresent(host: Host, blocks: readonly BlockDevice[] | null, uuid: string | null) {
  if (blocks !== null) return false
  return uuid === null ? null : exists(host, `/dev/disk/by-uuid/${uuid}`)
}

function parseSlot(text: string | null): number | null {
  const match = /^([0-7])\s*$/.exec(text ?? '')
  return match ? Number(match[1]) : null
}

/** The device this boot came from, by UUID of the kernel command line. */
export function findBootedDevice<T extends Pick<AemDevice, 'uuid'>>(
  devices: readonly T[],
  aemUuid: string | null,
): T | null {
  const found = devices.filter((device) => device.uuid !== null && device.uuid === aemUuid)
  // A copy with the same UUID is plugged in: which of them booted cannot be told.
  return found.length === 1 ? (found[0] ?? null) : null
}

/** Is the device of this boot there? By its UUID alone. @returns null where that is not known */
export function isBootedPresent({ devices, isComplete }: AemDevices, aemUuid: string | null): boolean | null {
  if (aemUuid === null) return null
  const own = devices.filter((device) => device.uuid === aemUuid)
  if (own.some(({ present }) => present === true)) return true
  return isComplete && own.every(({ present }) => present === false) ? false : null
}

/** Why a foreign device is not opened. */
export function explainForeignDevice(label: string): string {
  return `an unknown device with the AEM label ${label}: not opened, and nothing on it is believed`
}

/** The files of a device: where it is mounted, or mounted read-only for the look. Close it afterwards. */
export async function openDevice(host: Host, device: AemDevice): Promise<Seen<MountedMedia>> {
  if (device.isForeign) return unknown(explainForeignDevice(device.label))
  if (device.present === false) return ABSENT
  if (device.uuid === null) return unknown(`the UUID of ${device.label} is not known`)
  return host.openMedia({ uuid: device.uuid, mountPoint: device.mountPoint })
}
