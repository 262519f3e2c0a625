import { constants, type Stats } from 'node:fs'
import { type FileHandle, open, readlink } from 'node:fs/promises'

/** open(2): names a file without opening it. Linux has it since 2.6.39 (asm-generic/fcntl.h), Node no constant for it. */
const O_PATH = 0o10000000

/**
 * Opens a file for reading after it was seen to be of the wanted kind: to open a device or a pipe can already do something
 * (load media, start a watchdog, take what another reader waits for), and what a path names comes from strangers.
 *
 * @param flags for both opens, O_NOFOLLOW for a path whose last part may be no link
 * @param isWanted of the file itself, and of the place where it really is (proc(5), /proc/self/fd)
 * @throws the system's error; ELOOP for a file that is not wanted, which was not opened
 */
export async function openWanted(
  path: string,
  flags: number,
  isWanted: (stat: Stats, real: string) => boolean,
): Promise<FileHandle> {
  const named = await open(path, O_PATH | (flags & (constants.O_NOFOLLOW | constants.O_DIRECTORY)))
  try {
    const link = `/proc/self/fd/${named.fd}`
    if (!isWanted(await named.stat(), await readlink(link)))
      throw Object.assign(new Error(`${path} is a link or not a regular file`), { code: 'ELOOP' })
    // Through the descriptor, so that it is the same file; O_NOFOLLOW would refuse the way there.
    const reading = constants.O_RDONLY | constants.O_NOCTTY | constants.O_NONBLOCK
    return await open(link, reading | (flags & ~constants.O_NOFOLLOW)).catch((error) => {
      const { code, message } = error as NodeJS.ErrnoException
      throw Object.assign(new Error(message.replace(link, path)), { code })
    })
  } finally {
    await named.close()
  }
}
