import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { run } from '../../stage/process.ts'

/*
 * The boot partition of a machine that is switched off, as GRUB and an evil maid reach it: by debugfs, without a mount
 * or a loop device. After a power cut debugfs, like GRUB, sees what the journal has not brought in yet.
 */

/** A partition with ext4 inside a raw disk. */
export type Partition = { readonly disk: string; readonly offset: number }

const TIMEOUT_MS = 60_000

/** Runs debugfs's commands, one a line. @throws Error with its words: its exit code is 0 whatever happens */
async function debugfs(partition: Partition, commands: readonly string[], write: boolean): Promise<string> {
  const device = `${partition.disk}?offset=${partition.offset}`
  const argv = ['debugfs', ...(write ? ['-w'] : []), '-f', '-', device]
  const result = await run(argv, { input: `${commands.join('\n')}\n`, timeoutMs: TIMEOUT_MS })
  const complaints = result.stderr.split('\n').filter((line) => line !== '' && !/^debugfs \d/.test(line))
  const refused = complaints.filter((line) => !/^Allocated inode: /.test(line))
  if (result.exit !== 0 || refused.length > 0)
    throw new Error(`debugfs ${commands.join('; ')}: ${refused.join(' ') || `exit ${result.exit}`}`)
  return result.stdout
}

async function withScratch<T>(work: (folder: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(path.join(tmpdir(), 'lab-debugfs-'))
  try {
    return await work(folder)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

async function statOf(
  partition: Partition,
  file: string,
): Promise<{ type: string; mode: string; mtime: string } | null> {
  const answer = await debugfs(partition, [`stat ${file}`], false).catch((error: Error) => {
    if (/File not found/.test(error.message)) return null
    throw error
  })
  if (answer === null) return null
  const [, type = '', permissions = ''] = /Type: (\S+)\s+Mode:\s+(\d+)/.exec(answer) ?? []
  const mtime = /mtime: (0x[0-9a-f]+)/.exec(answer)?.[1] ?? '0'
  return { type, mode: `0100${permissions.slice(-3)}`, mtime: String(Number(mtime)) }
}

/** What a path is; null when nothing is there. */
export async function kindOf(partition: Partition, file: string): Promise<'file' | 'directory' | null> {
  const type = (await statOf(partition, file))?.type
  return type === 'regular' ? 'file' : type === 'directory' ? 'directory' : null
}

/** Reads a regular file. @throws Error when it is not there or cannot be read */
export async function readBootFile(partition: Partition, file: string): Promise<Buffer> {
  return withScratch(async (folder) => {
    const copy = path.join(folder, 'file')
    await debugfs(partition, [`dump ${file} ${copy}`], false)
    return readFile(copy)
  })
}

/** Replaces a regular file and keeps its mode and times, as a careful evil maid does; a new file gets mode 0600. */
export async function writeBootFile(partition: Partition, file: string, bytes: Buffer): Promise<void> {
  await withScratch(async (folder) => {
    const copy = path.join(folder, 'file')
    await writeFile(copy, bytes, { mode: 0o600 })
    const old = await statOf(partition, file)
    const name = path.posix.basename(file)
    await debugfs(
      partition,
      [
        // `write` makes a name in debugfs's working directory only
        `cd ${path.posix.dirname(file)}`,
        ...(old ? [`rm ${name}`] : []),
        `write ${copy} ${name}`,
        ...(old ? [`sif ${name} mode ${old.mode}`] : []),
        ...(old ? ['atime', 'ctime', 'mtime'].map((field) => `sif ${name} ${field} @${old.mtime}`) : []),
      ],
      true,
    )
  })
}

/** UUID of the ext4 file system. */
export async function fileSystemUuid(partition: Partition): Promise<string> {
  const answer = await debugfs(partition, ['show_super_stats -h'], false)
  const uuid = /Filesystem UUID:\s+(\S+)/.exec(answer)?.[1]
  if (uuid === undefined) throw new Error(`no file system UUID in ${partition.disk} at ${partition.offset}`)
  return uuid
}
