import type { LoadLine } from './grub-state.ts'

/** Longest name in ext4 and most other file systems (Linux, include/uapi/linux/limits.h, NAME_MAX). */
const MAX_NAME_BYTES = 255
/** Far beyond what AEM writes, and below PATH_MAX wherever the device is mounted. */
const MAX_PATH_BYTES = 1024

export type GrubPath = { readonly path: string } | { readonly problem: string }

/**
 * The path on the boot device that a loading line names, or why it cannot be told which file that is. A path without a
 * device is on `$root`; `(device)/path` is only followed when the device is `$root` too. Runs of slashes are one
 * slash (GRUB 2.06, grub-core/fs/fshelp.c, find_file). A name that does not begin with a slash is a list of disk blocks
 * to GRUB (grub-core/kern/file.c, grub_file_open), so it is no file.
 * @param name the argument as expanded
 */
export function readGrubPath(line: LoadLine, name: string | undefined): GrubPath {
  if (name === undefined || name === '') return { problem: `${line.command} names no file` }
  const device = /^\(([^)]*)\)/.exec(name)
  const path = (device === null ? name : name.slice(device[0].length)).replace(/\/+/g, '/')
  if (device !== null && !isRootDevice(line, device[1] ?? ''))
    return {
      problem: `${line.command} loads ${path} from the GRUB device ${device[0]}, and it is not known whether that is the AEM device`,
    }
  const fault = findFault(path)
  if (fault === null) return { path }
  const shown = path.length > 80 ? `${path.slice(0, 80)}...` : path
  return { problem: `${line.command} loads "${shown.replace(/[\x00-\x1f\x7f]/g, '?')}", ${fault}` }
}

/** `($root)` is expanded to nothing where `$root` is not known, and is `$root` all the same. */
function isRootDevice(line: LoadLine, device: string): boolean {
  if (device === '') return line.unknown.includes('root')
  return device === line.root
}

function findFault(path: string): string | null {
  if (!path.startsWith('/')) return 'which does not begin with a slash: GRUB reads disk blocks then, no file'
  if (/[\x00-\x1f\x7f]/.test(path)) return 'which holds a control character'
  const names = path.split('/').slice(1)
  if (names.some((one) => one === '.' || one === '..')) return 'which leads through "." or ".."'
  if (names.at(-1) === '') return 'which is a directory'
  const sizes = [path, ...names].map((text) => Buffer.byteLength(text))
  if (sizes[0]! > MAX_PATH_BYTES || Math.max(...sizes.slice(1)) > MAX_NAME_BYTES)
    return 'which is longer than a file name can be'
  return null
}
