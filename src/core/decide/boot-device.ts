import type { Outcomes } from './outcomes.ts'

/** What a file of a boot device is to the boot. */
export const BOOT_FILE_ROLES = ['tboot', 'xen', 'kernel', 'initramfs', 'sinit', 'grub.cfg'] as const
export type BootFileRole = (typeof BOOT_FILE_ROLES)[number]

export type CheckedFile = {
  readonly role: Exclude<BootFileRole, 'sinit'>
  readonly path: string
  /** current: equals the RPM database (or, where RPM has no digest, is there and not older than its inputs). */
  readonly state: Outcomes['check-boot-device']
  readonly sha256: string | null
  readonly expected: string | null
  /** What it was compared with, in words. */
  readonly against: string
}

/** The worst state of all files decides. */
export function decideBootDevice(
  device: { readonly present: boolean | null; readonly isOpen: boolean },
  files: readonly CheckedFile[],
): Outcomes['check-boot-device'] {
  if (device.present === false) return 'absent'
  if (!device.isOpen || files.length === 0) return 'unknown'
  const has = (state: CheckedFile['state']): boolean => files.some((file) => file.state === state)
  if (has('changed')) return 'changed'
  if (has('stale') || has('absent')) return 'stale'
  return has('unknown') ? 'unknown' : 'current'
}

/**
 * The state of one image on the device.
 *
 * @param image what is there; null digest: it could not be read
 * @param wanted SHA-256 of the installed package's file, null where RPM keeps none
 * @param old digests and build id of what ran or lay there before the update
 */
export function decideImage(
  image: { readonly exists: boolean | null; readonly sha256: string | null; readonly buildId: string | null },
  wanted: string | null,
  runningBuildId: string | null,
): CheckedFile['state'] {
  if (image.exists === false) return 'absent'
  if (image.exists === null || image.sha256 === null || wanted === null) return 'unknown'
  if (image.sha256 === wanted) return 'current'
  return image.buildId !== null && image.buildId === runningBuildId ? 'stale' : 'changed'
}
