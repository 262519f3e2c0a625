import { lstat, readlink } from 'node:fs/promises'
import { join } from 'node:path'
import { mediaUuidOf } from '../tables/paths.ts'
import type { Seen } from './host.ts'
import { ABSENT, seen, unknown } from './host.ts'
import type { RecordedMachine } from './recorded-format.ts'

/** As the kernel: MAXSYMLINKS, path_resolution(7). */
const MAX_LINKS = 40

/** Path of a dom0 path inside the recorded machine: its tree and the key of machine.json's tables. */
export function placeOf(path: string): { base: string; inner: string; key: string } {
  const media = mediaUuidOf(path)
  if (!media) return { base: 'root', inner: path, key: path }
  const base = `devices/${media.uuid}`
  return { base, inner: media.rest || '/', key: `${base}${media.rest}` }
}

/**
 * Follows names and links inside the machine's directory only: an absolute link starts again at its tree's
 * top, `..` stops there, and nothing outside is ever touched.
 */
export async function resolve(
  machine: RecordedMachine,
  path: string,
  followLast = true,
): Promise<Seen<string>> {
  const { base, inner, key } = placeOf(path)
  const top = join(machine.directory, base)
  if (isListedAbsent(machine, key)) return ABSENT
  let pending = inner.split('/').filter(Boolean)
  let done: string[] = []
  let links = 0
  if (!(await isOwnFolder(machine.directory, base))) return unknown(`the recorded machine has no ${base}`)
  while (pending.length > 0) {
    const [name = '', ...rest] = pending
    pending = rest
    if (name === '.') continue
    if (name === '..') {
      done = done.slice(0, -1)
      continue
    }
    const place = join(top, ...done, name)
    const stat = await lstatOrNull(place)
    if (!stat) return unknown(`the recorded machine does not hold ${key}`)
    if (stat.isSymbolicLink() && (rest.length > 0 || followLast)) {
      links += 1
      if (links > MAX_LINKS) return unknown(`too many links at ${key}`)
      const target = await readlink(place)
      if (target.startsWith('/')) done = []
      pending = [...target.split('/').filter(Boolean), ...rest]
      // A link may lead to a path that is known to be absent.
      const aim = `/${[...done, ...pending].join('/')}`
      if (isListedAbsent(machine, base === 'root' ? aim : `${base}${aim}`)) return ABSENT
      continue
    }
    done = [...done, name]
  }
  return seen(join(top, ...done))
}

/** The folders that hold a tree are directories themselves: `root` could be a link to / of the user's machine. */
async function isOwnFolder(directory: string, base: string): Promise<boolean> {
  const names = base.split('/')
  for (const [index] of names.entries()) {
    const stat = await lstatOrNull(join(directory, ...names.slice(0, index + 1)))
    if (!stat?.isDirectory()) return false
  }
  return true
}

/** @param key a path of dom0, or `devices/<uuid>/...` */
function isListedAbsent(machine: RecordedMachine, key: string): boolean {
  if (machine.absent.has(key)) return true
  for (let end = key.lastIndexOf('/'); end >= 0; end = end === 0 ? -1 : key.lastIndexOf('/', end - 1))
    if (machine.absent.has(key.slice(0, end))) return true
  return false
}

export async function lstatOrNull(path: string) {
  return lstat(path).catch(() => null)
}
