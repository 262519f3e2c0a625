import type { Stats } from 'node:fs'
import type { FileSystemState } from './host.ts'
import { openWanted } from './open-path.ts'

/** Linux, Documentation/filesystems/ext4/super.rst: s_mnt_count, s_magic, s_feature_incompat. */
const SUPERBLOCK = {
  at: 1024,
  sizeBytes: 1024,
  mountCountAt: 0x34,
  magicAt: 0x38,
  magic: 0xef53,
  incompatAt: 0x60,
} as const
const INCOMPAT_RECOVER = 0x0004

/**
 * What the superblock of an ext4 file system says of its mounts. A dirty journal of one that is not mounted has two
 * contents: GRUB reads the one without its changes, AEM's initrd, which mounts it, the one with them.
 * @param device path of the block device
 * @returns null where it is no ext4 file system, or cannot be read
 */
export async function readExt4State(device: string): Promise<FileSystemState | null> {
  const isDisk = (stat: Stats): boolean => stat.isBlockDevice() || stat.isFile()
  const file = await openWanted(device, 0, isDisk).catch(() => null)
  if (file === null) return null
  try {
    const { at, sizeBytes, mountCountAt, magicAt, magic, incompatAt } = SUPERBLOCK
    const { buffer, bytesRead } = await file.read(Buffer.alloc(sizeBytes), 0, sizeBytes, at)
    if (bytesRead < sizeBytes || buffer.readUInt16LE(magicAt) !== magic) return null
    return {
      mountCount: buffer.readUInt16LE(mountCountAt),
      isJournalDirty: (buffer.readUInt32LE(incompatAt) & INCOMPAT_RECOVER) !== 0,
    }
  } catch {
    return null
  } finally {
    await file.close()
  }
}
