import { BOOT_DEVICE, type GrubFile, type GrubState } from './grub-state.ts'

/*
 * GRUB's names of devices ("hd0,gpt2") cannot be known here. What is known is which device a name was given for: such a
 * name is written as a character that no file can hold (grub.cfg is read byte by byte, so its characters end at 0xff).
 */

const SEARCHED = '\ue001'
const DEVICE_MARK = /[\ue000\ue001]/

/** The device that `search --fs-uuid` found for a UUID. */
export function searchedDevice(uuid: string): string {
  return `${SEARCHED}${uuid}`
}

/** The UUID that a device was searched by; null for any other. */
export function uuidOfDevice(device: string): string | null {
  return device.startsWith(SEARCHED) ? device.slice(1) : null
}

/** Is the name of a device in it that only GRUB knows? */
export function hasDeviceMark(text: string): boolean {
  return DEVICE_MARK.test(text)
}

/** Is that the device grub.cfg lies on? null where it cannot be known. */
export function isBootDevice(device: string | null, uuid: string | null): boolean | null {
  if (device === null) return null
  if (device === BOOT_DEVICE) return true
  const searched = uuidOfDevice(device)
  if (searched === null || uuid === null) return null
  // GRUB compares without case (GRUB 2.06, grub-core/commands/search.c, iterate_device)
  return searched.toLowerCase() === uuid.toLowerCase() ? true : null
}

/**
 * What lies at a path as GRUB names it, `(device)/path` or `/path` on `$root`; slashes in a row are one, and one at the
 * end is taken off (GRUB 2.06, grub-core/commands/test.c, get_fileinfo).
 */
export function findFile(state: GrubState, name: string): GrubFile {
  const match = /^(?:\(([^)]*)\))?(\/[\s\S]*)$/.exec(name)
  if (match === null) return { state: 'unknown', why: 'it is no path' }
  const device = match[1] ?? state.variables.get('root') ?? null
  const path = match[2]!.replace(/\/+/g, '/').replace(/(.)\/$/, '$1')
  if (isBootDevice(device, state.world.uuid) !== true) return { state: 'unknown', why: 'it lies elsewhere' }
  const found = state.world.files.get(path)
  if (found !== undefined) return found
  if (isBeside(path, state.world.directory)) state.wanted.add(path)
  return { state: 'unknown', why: 'nobody looked for it' }
}

/** A file of grub.cfg's own directory, or a directory at the top. */
function isBeside(path: string, directory: string): boolean {
  const name = path.startsWith(`${directory}/`) ? path.slice(directory.length + 1) : path.slice(1)
  return /^[A-Za-z0-9_][A-Za-z0-9._-]{0,99}$/.test(name)
}
