import { constants } from 'node:fs'
import { mkdir, open, readdir } from 'node:fs/promises'
import { dirname } from 'node:path'
import { makeFailure } from '../tables/failures.ts'

/** Writable by group or others. */
const FOREIGN_WRITE = 0o022

/**
 * A directory that nobody else can change, held by its descriptor: whoever can rename it, or its parents, meanwhile cannot
 * lead what is written elsewhere (proc(5), /proc/self/fd).
 */
export type OwnDirectory = {
  /** Where to write, without a trailing slash; good until `close`. */
  readonly root: string
  close(): Promise<void>
}

/**
 * Makes a new directory, or takes an empty one that belongs to the user who runs this.
 * @throws Failure when it holds something, belongs to somebody else, or cannot be made
 */
export async function makeOwnDirectory(path: string): Promise<OwnDirectory> {
  const failed = (error: NodeJS.ErrnoException): never => {
    throw makeFailure('write-failed', { path, reason: error.message })
  }
  await mkdir(dirname(path), { recursive: true, mode: 0o700 }).catch(failed)
  await mkdir(path, { mode: 0o700 }).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EEXIST') failed(error)
  })
  const flags = constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW
  const handle = await open(path, flags).catch(failed)
  const root = `/proc/self/fd/${handle.fd}`
  try {
    const { uid, mode } = await handle.stat()
    if (uid !== process.geteuid?.() || (mode & FOREIGN_WRITE) !== 0)
      throw makeFailure('output-not-own', { path })
    if ((await readdir(root).catch(failed)).length > 0) throw makeFailure('output-directory', { path })
    return { root, close: () => handle.close() }
  } catch (error) {
    await handle.close()
    throw error
  }
}
