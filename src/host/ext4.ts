import { constants } from 'node:fs'
import { open } from 'node:fs/promises'

/** Linux, Documentation/filesystems/ext4/super.rst. */
const SUPERBLOCK = { at: 1024, sizeBytes: 1024, magicAt: 0x38, magic: 0xef53, incompatAt: 0x60 } as const
const INCOMPAT_RECOVER = 0x0004

/**
 * Does the journal of an ext4 file system still hold changes? Then it has two contents: GRUB reads the one without them,
 * AEM's initrd, which mounts it, the one with them.
 * @param device path of the block device
 * @returns null where it is no ext4 file system, or cannot be read
 */
export async function isJournalDirty(device: string): Promise<boolean | null> {
  const flags = constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY
  const file = await open(device, flags).catch(() => null)
  if (file === null) return null
  try {
    const { at, sizeBytes, magicAt, magic, incompatAt } = SUPERBLOCK
    const { buffer, bytesRead } = await file.read(Buffer.alloc(sizeBytes), 0, sizeBytes, at)
    if (bytesRead < sizeBytes || buffer.readUInt16LE(magicAt) !== magic) return null
    return (buffer.readUInt32LE(incompatAt) & INCOMPAT_RECOVER) !== 0
  } catch {
    return null
  } finally {
    await file.close()
  }
}
