import { isBootDevice, uuidOfDevice } from './grub-device.ts'
import type { GrubWorld, LoadLine } from './grub-state.ts'
import { BOOT_DEVICE } from './grub-state.ts'

/** Longest name in ext4 and most other file systems (Linux, include/uapi/linux/limits.h, NAME_MAX). */
const MAX_NAME_BYTES = 255
/** Far beyond what AEM writes, and below PATH_MAX wherever the device is mounted. */
const MAX_PATH_BYTES = 1024

export type GrubPath = { readonly path: string } | { readonly problem: string }

/**
 * The path on the boot device that a loading line names, or why it cannot be told which file that is. A path without a
 * device is on `$root`. Runs of slashes are one slash (GRUB 2.06, grub-core/fs/fshelp.c, find_file). A name that does not
 * begin with a slash is a list of disk blocks to GRUB (grub-core/kern/file.c, grub_file_open), so it is no file.
 * @param name the argument as expanded
 */
export function readGrubPath(line: LoadLine, name: string | undefined, world: GrubWorld): GrubPath {
  if (name === undefined || name === '') return { problem: `${line.command} names no file` }
  const device = /^\(([^)]*)\)/.exec(name)
  const path = (device === null ? name : name.slice(device[0].length)).replace(/\/+/g, '/')
  const doubt = findDoubt(device?.[1] ?? line.root, world.uuid)
  if (doubt !== null) return { problem: `${line.command} loads ${show(path)} from ${doubt}` }
  const fault = findFault(path)
  if (fault === null) return { path }
  return { problem: `${line.command} loads "${show(path)}", ${fault}` }
}

function show(path: string): string {
  const short = path.length > 80 ? `${path.slice(0, 80)}...` : path
  return short.replace(/[^\x20-\x7e]/g, '?')
}

/**
 * Why a device may be another than that of grub.cfg; null where it is that one. Where its UUID is not known here, what
 * `search` found counts as that one: the same UUID stands in the command line of the kernel (aem.uuid).
 */
function findDoubt(device: string | null, uuid: string | null): string | null {
  if (device === BOOT_DEVICE || (device !== null && isBootDevice(device, uuid) === true)) return null
  const searched = device === null ? null : uuidOfDevice(device)
  if (searched !== null && uuid === null) return null
  if (searched !== null) return `the file system ${searched}, which is not that of the AEM device`
  const shown = device === null ? 'a GRUB device that is not known' : `the GRUB device (${show(device)})`
  return `${shown}, and it is not known whether that is the AEM device`
}

function findFault(path: string): string | null {
  if (!path.startsWith('/')) return 'which does not begin with a slash: GRUB reads disk blocks then, no file'
  if (/[\x00-\x1f\x7f]/.test(path)) return 'which holds a control character'
  if (/[^\x20-\x7e]/.test(path)) return 'which holds a character that is not printable ASCII'
  const names = path.split('/').slice(1)
  if (names.some((one) => one === '.' || one === '..')) return 'which leads through "." or ".."'
  // dom0 sees the EFI system partition there, GRUB what the boot device holds below its mount point.
  if (names[0] === 'efi') return 'which dom0 cannot see: the EFI system partition is mounted over it'
  if (names.at(-1) === '') return 'which is a directory'
  const sizes = [path, ...names].map((text) => Buffer.byteLength(text))
  if (sizes[0]! > MAX_PATH_BYTES || Math.max(...sizes.slice(1)) > MAX_NAME_BYTES)
    return 'which is longer than a file name can be'
  return null
}
