import { constants } from 'node:fs'
import { lstat, readdir, realpath } from 'node:fs/promises'
import { dirname } from 'node:path'
import { digestStream } from './digest.ts'
import type { FileDigests, FileStat, Seen } from './host.ts'
import { ABSENT, seen, unknown } from './host.ts'
import { identityOf } from './identity.ts'
import { openWanted } from './open-path.ts'

/** Files read whole are small; boot files go through digestGuarded, the Xen image (3 MB) is the largest. */
const MAX_FILE_BYTES = 64 * 1024 * 1024
/** What is only hashed: the largest initramfs seen in a dom0 has some 100 MB; a sparse file on a stick has no end. */
const MAX_STREAMED_BYTES = 1024 * 1024 * 1024
export const READ_CHUNK_BYTES = 1 << 20

/** What is not there is absent; what the system refuses is unknown, in its words. */
export async function look<T>(read: () => Promise<T>): Promise<Seen<T>> {
  try {
    return seen(await read())
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    if (code === 'ENOENT' || code === 'ENOTDIR') return ABSENT
    if (code === undefined) throw error
    return unknown(message)
  }
}

/**
 * Opens a regular file. Below /boot, a stick or AEM's directories no link is followed, in no part of the path: GRUB
 * and AEM's initrd read other files there than dom0 would by a link, and root could be led to any file of dom0.
 *
 * Where it really is stands in /proc/self/fd (proc(5)) of a descriptor that only names it: nobody has time to change it, and a
 * device is refused before it is opened.
 */
export async function openGuarded(path: string, guarded: boolean, flags = 0) {
  const isDirectory = (flags & constants.O_DIRECTORY) !== 0
  return openWanted(path, guarded ? flags | constants.O_NOFOLLOW : flags, (stat, real) => {
    const isOfKind = isDirectory ? stat.isDirectory() : stat.isFile()
    return isOfKind && (!guarded || real === path)
  })
}

/** The same, of a size that can be read to its end. */
export async function openStreamed(path: string, guarded: boolean) {
  const file = await openGuarded(path, guarded)
  const { size } = await file.stat()
  if (size <= MAX_STREAMED_BYTES) return file
  await file.close()
  throw Object.assign(new Error(`${path} has ${size} bytes, more than are read`), { code: 'EFBIG' })
}

export async function readWhole(path: string, guarded: boolean): Promise<Seen<Uint8Array>> {
  return look(async () => {
    const file = await openGuarded(path, guarded)
    try {
      const { size } = await file.stat()
      if (size > MAX_FILE_BYTES)
        throw Object.assign(new Error(`${path} has ${size} bytes`), { code: 'EFBIG' })
      return await file.readFile()
    } finally {
      await file.close()
    }
  })
}

export async function listGuarded(path: string, guarded: boolean): Promise<Seen<readonly string[]>> {
  return look(async () => {
    if (!guarded) return (await readdir(path)).sort()
    // O_DIRECTORY calls a link to a directory ENOTDIR, which would read as absent.
    if ((await lstat(path)).isSymbolicLink()) {
      throw Object.assign(new Error(`${path} is a link`), { code: 'ELOOP' })
    }
    const directory = await openGuarded(path, true, constants.O_DIRECTORY)
    try {
      return (await readdir(`/proc/self/fd/${directory.fd}`)).sort()
    } finally {
      await directory.close()
    }
  })
}

/** Of a path whose directory is reached without a link; the last part itself is never followed. */
export async function statGuarded(path: string, guarded: boolean): Promise<Seen<FileStat>> {
  return look(async () => {
    if (guarded && (await realpath(dirname(path))) !== dirname(path)) {
      throw Object.assign(new Error(`${dirname(path)} is reached by a link`), { code: 'ELOOP' })
    }
    return toFileStat(await lstat(path))
  })
}

/** @param known digests by the identity of their files, read from and added to; null: this file's says nothing */
export async function digestGuarded(
  path: string,
  guarded: boolean,
  known: Map<string, FileDigests> | null,
): Promise<Seen<FileDigests>> {
  return look(async () => {
    const file = await openStreamed(path, guarded)
    const identify = async () => identityOf(await file.stat({ bigint: true }), Date.now())
    try {
      const identity = known === null ? null : await identify()
      const before = identity === null ? undefined : known?.get(identity)
      if (before !== undefined) return before
      const options = { autoClose: false, highWaterMark: READ_CHUNK_BYTES }
      const digests = await digestStream(file.createReadStream(options))
      if (identity !== null && (await identify()) === identity) known?.set(identity, digests)
      return digests
    } finally {
      await file.close()
    }
  })
}

/** What stays the same as long as nobody writes to this file; null where nothing says so. */
export async function identifyGuarded(path: string, guarded: boolean): Promise<string | null> {
  const found = await look(async () => {
    const file = await openStreamed(path, guarded)
    try {
      return identityOf(await file.stat({ bigint: true }), Date.now())
    } finally {
      await file.close()
    }
  })
  return found.state === 'seen' ? found.value : null
}

function toFileStat(stat: Awaited<ReturnType<typeof lstat>>): FileStat {
  return {
    kind: kindOf(stat),
    sizeBytes: Number(stat.size),
    mtimeMs: Number(stat.mtimeMs),
    mode: Number(stat.mode) & 0o7777,
    ownerUid: Number(stat.uid),
  }
}

export function kindOf(stat: Awaited<ReturnType<typeof lstat>>): FileStat['kind'] {
  if (stat.isFile()) return 'file'
  if (stat.isDirectory()) return 'directory'
  return stat.isSymbolicLink() ? 'link' : 'other'
}
