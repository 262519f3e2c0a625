import { labelOf } from '../aem/devices.ts'
import { selectsLaunch } from '../launch/pcr.ts'

/** One condition of a reseal; null: could not be looked up, which is as good as no. */
export type GateCheck = { readonly id: string; readonly ok: boolean | null; readonly detail: string }

export function isReady(checks: readonly GateCheck[]): boolean {
  return checks.every((check) => check.ok === true)
}

/**
 * Mount options of a mount point in /proc/mounts (proc_pid_mounts(5)): the last line that names it counts.
 *
 * Sample: `/dev/sda1 /boot ext4 ro,relatime 0 0`
 *
 * @returns null when it is not mounted
 */
export function parseMountOptions(mounts: string, mountPoint: string): readonly string[] | null {
  const escaped = mountPoint.replaceAll(' ', '\\040')
  const fields = mounts.split('\n').map((line) => line.split(' '))
  return fields.findLast(([, where]) => where === escaped)?.[3]?.split(',') ?? null
}

/** What the checks of the device look at. */
export type DeviceFacts = {
  readonly label: string
  readonly uuid: string | null
  readonly present: boolean | null
  readonly isReadOnly: boolean | null
}

/** The device is plugged in, it is the one this boot came from, and no other carries its label. */
export function checkDevice(
  device: DeviceFacts | null,
  sameLabel: readonly DeviceFacts[],
  isMountedReadOnly: boolean | null,
): readonly GateCheck[] {
  const label = device?.label ?? 'the AEM device'
  // A copy has its UUID too: which of both is opened, or boots, cannot be told.
  const own = sameLabel.findIndex(({ uuid }) => uuid === device?.uuid)
  const others = sameLabel.filter((_, at) => at !== own)
  const readOnly = device?.isReadOnly === true || isMountedReadOnly === true
  return [
    {
      id: 'device-present',
      ok: device === null ? false : device.present,
      detail: device
        ? `${label} (UUID ${device.uuid})`
        : 'the device this boot came from is not plugged in: plug in that same stick',
    },
    {
      id: 'device-unique',
      ok: device === null ? null : others.length === 0,
      detail:
        others.length === 0
          ? `no other device is labelled ${label}`
          : `another device is labelled ${label} too (UUID ${others.map((other) => other.uuid).join(', ')}): unplug it`,
    },
    {
      id: 'device-writable',
      ok: readOnly ? false : device === null || device.isReadOnly === null ? null : true,
      detail: !readOnly
        ? `${label} can be written`
        : device?.isReadOnly
          ? `${label} is read-only: flip its switch`
          : `${label} is mounted read-only: \`mount -o remount,rw\` it, or see what its file system complains of`,
    },
  ]
}

/**
 * AEM takes the device by its UUID and the names of its files from the label that its initrd saw.
 * @param cachedSuffix what that label was; null: this boot keeps it no more, and AEM's seal is told it by hand
 */
export function checkLabel(
  device: { readonly label: string; readonly suffix: string; readonly uuid: string | null } | null,
  cachedSuffix: string | null,
): readonly GateCheck[] {
  if (cachedSuffix === null) return []
  const id = 'device-label'
  if (device === null) return [{ id, ok: null, detail: 'the device is not there to be looked at' }]
  const { label, suffix, uuid } = device
  if (suffix === cachedSuffix) return [{ id, ok: true, detail: `labelled ${label}, as in this boot` }]
  const detail = `the device with UUID ${uuid} was labelled ${labelOf(cachedSuffix)} in this boot and is ${label} now: \`e2label\` gives it its label back`
  return [{ id, ok: false, detail }]
}

/**
 * No selected register holds a public constant, to which a seal protects nothing. A register that cannot be read may.
 *
 * @param facts measured: did a launch happen; selected: SEAL, null where it cannot be read; unread: selected registers
 *   without a value; bad: selected ones that hold a public constant (core/launch/pcr.ts, listConstantPcrs)
 */
export function checkRegisters(facts: {
  readonly measured: boolean | null
  readonly selected: readonly number[] | null
  readonly unread: readonly number[]
  readonly bad: readonly number[]
}): GateCheck {
  const { measured, selected, unread, bad } = facts
  const id = 'pcrs-sane'
  if (bad.length > 0)
    return {
      id,
      ok: false,
      detail: `never measured: PCR ${bad.join(', ')} holds a public constant; restart with the AEM entry, and see AEM's README on its PCR sanity check`,
    }
  const needsLaunch = selected === null || selectsLaunch(selected)
  if (needsLaunch && measured === false)
    return {
      id,
      ok: false,
      detail: 'no measured launch happened in this boot: restart with the AEM entry, TXT on in the firmware',
    }
  if (selected === null || selected.length === 0)
    return { id, ok: null, detail: 'which PCRs AEM seals to could not be read (SEAL)' }
  if (unread.length > 0) return { id, ok: null, detail: `could not be read: PCR ${unread.join(', ')}` }
  if (needsLaunch && measured === null) return { id, ok: null, detail: 'PCR 17 could not be read' }
  return { id, ok: true, detail: 'no selected PCR holds a public constant' }
}

/** The sealed files take a few KiB; ext4 blocks, directories and the copy beside the old one take more. */
const NEEDED_BYTES = 512 * 1024

export function checkSpace(id: string, where: string, freeBytes: number | null): GateCheck {
  if (freeBytes === null) return { id, ok: null, detail: `free space on ${where} could not be read` }
  const free = `${Math.floor(freeBytes / 1024)} KiB free on ${where}`
  return freeBytes >= NEEDED_BYTES
    ? { id, ok: true, detail: free }
    : { id, ok: false, detail: `only ${free}, ${NEEDED_BYTES / 1024} KiB are needed: remove old kernels` }
}
