import { createHash } from 'node:crypto'
import { constants } from 'node:fs'
import { type FileHandle, open as openFileHandle, rename, unlink } from 'node:fs/promises'
import { basename, dirname } from 'node:path'
import type { Failure } from '../core/failure.ts'
import { makeFailure } from '../tables/failures.ts'
import { openStreamed, READ_CHUNK_BYTES } from './real-look.ts'

/** Written beside, to the disk, and renamed: the old file or the new one, whenever the power goes. @throws Failure */
export async function writeAtomically(path: string, bytes: Uint8Array, mode: number): Promise<void> {
  return replaceAtomically(path, mode, (file) => file.writeFile(bytes))
}

/** The same for a copy, which is what was named by its SHA-256. @throws Failure */
export async function copyAtomically(
  from: string,
  guarded: boolean,
  to: string,
  sha256: string,
): Promise<void> {
  return replaceAtomically(to, 0o600, async (file) => {
    const source = await openStreamed(from, guarded)
    try {
      const hash = createHash('sha256')
      for await (const chunk of source.createReadStream({
        autoClose: false,
        highWaterMark: READ_CHUNK_BYTES,
      })) {
        hash.update(chunk)
        await file.writeFile(chunk)
      }
      if (hash.digest('hex') !== sha256) throw new Error(`${from} is not the file that was to be copied`)
    } finally {
      await source.close()
    }
  })
}

async function replaceAtomically(
  path: string,
  mode: number,
  write: (file: FileHandle) => Promise<void>,
): Promise<void> {
  const temporary = `${dirname(path)}/.${basename(path)}.new`
  try {
    await unlink(temporary).catch(() => undefined)
    const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW
    const file = await openFileHandle(temporary, flags, mode)
    try {
      // The umask is 077: a unit file that others may not read makes systemd complain.
      await file.chmod(mode)
      await write(file)
      await file.sync()
    } finally {
      await file.close()
    }
    await rename(temporary, path)
    await syncDirectory(dirname(path))
  } catch (error) {
    await unlink(temporary).catch(() => undefined)
    throw writeFailure(path, error)
  }
}

export async function syncDirectory(path: string): Promise<void> {
  const directory = await openFileHandle(path, constants.O_RDONLY | constants.O_DIRECTORY)
  try {
    await directory.sync()
  } finally {
    await directory.close()
  }
}

export function writeFailure(path: string, error: unknown): Failure {
  const { code, message } = error as NodeJS.ErrnoException
  if (code === 'ENOSPC' || code === 'EDQUOT') return makeFailure('disk-full', { path })
  return makeFailure('write-failed', { path, reason: message })
}
