import { lstat } from 'node:fs/promises'
import { createServer } from 'node:net'
import { basename, dirname } from 'node:path'
import { makeFailure } from '../tables/failures.ts'

/**
 * An abstract socket: the kernel frees it when the process ends, however it ends, so no crash leaves a
 * lock behind and two processes can never both believe that they broke a stale one (unix(7)).
 */
export async function holdLock(path: string): Promise<{ release(): Promise<void> }> {
  const directory = await lstat(dirname(path))
  const server = createServer()
  server.unref()
  const name = `\0aem-reseal/${directory.dev}/${directory.ino}/${basename(path)}`
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) =>
      reject(error.code === 'EADDRINUSE' ? makeFailure('session-locked', { path: dirname(path) }) : error),
    )
    server.listen(name, resolve)
  })
  return {
    release: () => new Promise((resolve) => server.close(() => resolve())),
  }
}
