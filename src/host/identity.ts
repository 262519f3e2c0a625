import type { BigIntStats } from 'node:fs'

/** What was written less than this ago could be written again within one tick of the kernel's clock, which then says nothing. */
const SETTLED_MS = 2_000

/**
 * What stays the same as long as nobody writes to a file: device, inode, size, and the times of its last changes in
 * nanoseconds. ctime moves with each change of the contents or of the inode, and no program can set it (inode(7)).
 * @returns null where the file was changed so lately, or at a time to come, that this tells nothing
 */
export function identityOf({ dev, ino, size, mtimeNs, ctimeNs }: BigIntStats, nowMs: number): string | null {
  const isSettled = Number(ctimeNs / 1_000_000n) + SETTLED_MS < nowMs
  return isSettled ? [dev, ino, size, mtimeNs, ctimeNs].join(':') : null
}
