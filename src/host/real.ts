import { createHash, randomBytes } from 'node:crypto'
import { constants } from 'node:fs'
import {
  type FileHandle,
  lstat,
  mkdir,
  open as openFileHandle,
  readdir,
  readlink,
  realpath,
  rename,
  rm,
  rmdir,
  statfs,
  unlink,
} from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import type { CommandCall } from '../commands.ts'
import { command } from '../commands.ts'
import type { Failure } from '../core/failure.ts'
import { makeFailure } from '../messages.ts'
import { believedRootOf, mediaMountPoint, pathAllowed, WORK_ROOT } from '../paths.ts'
import { digestStream } from './digest.ts'
import { guestEnvironment } from './environment.ts'
import { isJournalDirty } from './ext4.ts'
import type { FileDigests, FileStat, Host, MediaRequest, MountedMedia, RunResult, Seen } from './host.ts'
import { ABSENT, seen, unknown } from './host.ts'
import { findForeign } from './ownership.ts'
import { clearTraces, makeTraces, type Traces } from './traces.ts'

/** Files read whole are small; boot files go through digestFile, the Xen image (3 MB) is the largest. */
const MAX_FILE_BYTES = 64 * 1024 * 1024
/** What is only hashed: the largest initramfs seen in a dom0 has some 100 MB; a sparse file on a stick has no end. */
const MAX_STREAMED_BYTES = 1024 * 1024 * 1024
/** Trees that somebody with the machine or a stick in hand can have prepared. */
const GUARDED_ROOTS = ['/boot', '/var/lib/anti-evil-maid', '/var/lib/tpms', '/run/anti-evil-maid']
const READ_CHUNK_BYTES = 1 << 20

export type RealHostOptions = {
  readonly stateDir: string
  /** Directories of files that the user named on the command line (bulletins, keys); read only. */
  readonly userDirectories: readonly string[]
}

/** The machine that the program runs on. */
export function makeRealHost(options: RealHostOptions): Host {
  const mounted = new Set<string>()
  const opened = new Set<{ close(): Promise<void> }>()
  const writing = new Set<Promise<unknown>>()
  const traces = makeTraces(workRoot())
  const check = (path: string, access: 'read' | 'write'): void => {
    const isPlain = !path.split('/').includes('..') && !path.includes('\0')
    const allowed =
      isPlain &&
      ((access === 'read' && isBelow(path, options.userDirectories)) ||
        isBelow(path, [workRoot()]) ||
        pathAllowed(path, access, { stateDir: options.stateDir, mediaRoots: [...mounted] }))
    if (!allowed) throw new Error(`path ${path} is not in src/paths.ts for ${access}`)
  }
  const findOthers = async (path: string): Promise<string | null> => {
    const root = believedRootOf(path, options.stateDir)
    return root === null ? null : findForeign(path, root)
  }
  const assertOwn = async (path: string): Promise<void> => {
    const reason = await findOthers(path)
    if (reason !== null) throw makeFailure('write-failed', { path, reason })
  }
  // A stick can be exchanged for another one after its directories were looked at.
  const assertNoLink = async (path: string): Promise<void> => {
    if (!isGuarded(path)) return
    const directory = dirname(path)
    const real = await look(() => realpath(directory))
    if (real.state === 'unknown') throw makeFailure('write-failed', { path, reason: real.why })
    if (real.state === 'seen' && real.value !== directory)
      throw makeFailure('write-failed', { path, reason: `${directory} is reached by a link` })
  }
  const isGuarded = (path: string): boolean => isBelow(path, [...GUARDED_ROOTS, ...mounted])
  const host: Host = {
    kind: 'real',
    description: 'this machine',
    writable: true,
    uid: async () => process.getuid?.() ?? null,
    now: () => new Date(),
    async run(call, input) {
      const running = runProgram(call, input)
      if (call.effect === 'read') return running
      writing.add(running)
      try {
        return await running
      } finally {
        writing.delete(running)
      }
    },
    async readFile(path) {
      check(path, 'read')
      const others = await findOthers(path)
      return others === null ? readWhole(path, isGuarded(path)) : unknown(others)
    },
    async readLink(path) {
      check(path, 'read')
      return look(() => readlink(path))
    },
    async listDirectory(path) {
      check(path, 'read')
      return listGuarded(path, isGuarded(path))
    },
    async statFile(path) {
      check(path, 'read')
      return statGuarded(path, isGuarded(path))
    },
    async digestFile(path) {
      check(path, 'read')
      return digestRealFile(path, isGuarded(path))
    },
    async openFile(path) {
      check(path, 'read')
      return look(async () => {
        const file = await openStreamed(path, isGuarded(path))
        return file.createReadStream({ highWaterMark: READ_CHUNK_BYTES })
      })
    },
    async openMedia(media) {
      const look = await openRealMedia(media, host, mounted, traces)
      if (look.state === 'seen') opened.add(look.value)
      return look
    },
    async writeFileAtomic(path, bytes, mode) {
      check(path, 'write')
      await assertOwn(dirname(path))
      await assertNoLink(path)
      await writeAtomically(path, bytes, mode)
    },
    async copyFile(from, to, sha256) {
      check(from, 'read')
      check(to, 'write')
      await assertOwn(dirname(to))
      await assertNoLink(to)
      await copyAtomically(from, isGuarded(from), to, sha256)
    },
    async makePrivateDirectory(path) {
      check(path, 'write')
      // One that is there already keeps its mode, and is refused where others could write to it.
      await assertOwn(path)
      await assertNoLink(path)
      await mkdir(path, { recursive: true, mode: 0o700 }).catch((error) => {
        throw writeFailure(path, error)
      })
    },
    async removeFile(path) {
      check(path, 'write')
      await assertOwn(dirname(path))
      await assertNoLink(path)
      await rm(path, { recursive: true, force: true }).catch((error) => {
        throw writeFailure(path, error)
      })
      await syncDirectory(dirname(path)).catch(() => undefined)
    },
    async renameFile(from, to) {
      check(from, 'write')
      check(to, 'write')
      await assertOwn(dirname(to))
      for (const path of [from, to]) await assertNoLink(path)
      await rename(from, to).catch((error) => {
        throw writeFailure(to, error)
      })
      await syncDirectory(dirname(to))
    },
    async freeBytes(path) {
      check(path, 'read')
      return look(async () => {
        const { bavail, bsize } = await statfs(path)
        return bavail * bsize
      })
    },
    async makeWorkDirectory() {
      await mkdir(workRoot(), { recursive: true, mode: 0o700 })
      await assertPrivate(workRoot())
      const root = await traces.makeWorkDirectory()
      const work = { root, close: () => rm(root, { recursive: true, force: true }) }
      opened.add(work)
      return work
    },
    randomBytes: (sizeBytes) => randomBytes(sizeBytes),
    async relayTpm(values, work) {
      const { beginPcrRelay } = await import('./pcr-relay.ts')
      const startTcsd = (signal: AbortSignal) => runProgram(command('tcsd-relayed', {}), undefined, signal)
      const relay = beginPcrRelay(values, startTcsd, (call) => host.run(call), traces)
      // Before it is ready: Ctrl-C while tcsd is stopped starts it again.
      opened.add(relay)
      try {
        await relay.ready
        return await work()
      } finally {
        await relay.close()
        opened.delete(relay)
      }
    },
    clearLeftovers: () => clearTraces(workRoot(), (call) => host.run(call)),
    async close() {
      await Promise.allSettled(writing)
      await Promise.allSettled([...opened].map((media) => media.close()))
      await traces.close()
    },
    lockFile: holdLock,
  }
  return host
}

async function runProgram(
  call: CommandCall,
  input?: Uint8Array,
  cancelSignal?: AbortSignal,
): Promise<Seen<RunResult>> {
  const { execa } = await import('./execa.ts')
  const [program, ...args] = call.argv
  if (!program?.startsWith('/')) throw new Error(`program ${program} is not an absolute path`)
  const result = await execa(program, args, {
    env: { ...guestEnvironment(process.env), ...call.environment },
    extendEnv: false,
    ...(input ? { input } : { stdin: 'ignore' as const }),
    encoding: call.binary ? 'latin1' : 'utf8',
    reject: false,
    stripFinalNewline: false,
    timeout: call.timeoutMs,
    killSignal: call.effect === 'write' ? 'SIGTERM' : 'SIGKILL',
    maxBuffer: call.maxOutputBytes,
    cwd: '/',
    ...(cancelSignal ? { cancelSignal } : {}),
    // A session of its own: Ctrl-C must not cut a seal short after it renewed the token in the TPM, and a tool that
    // gets a password by standard input must not find a terminal to ask on (getpass(3), tpm-tools).
    detached: call.effect === 'write' || input !== undefined,
    cleanup: call.effect === 'read',
  })
  if (result.code === 'ENOENT') return ABSENT
  if (result.timedOut) return unknown(`${program} did not end within ${call.timeoutMs / 1000} s`)
  if (result.isMaxBuffer) return unknown(`${program} printed more than ${call.maxOutputBytes} bytes`)
  if (result.exitCode === undefined) return unknown(`${program} could not be run: ${result.shortMessage}`)
  return seen({ exit: result.exitCode, stdout: result.stdout, stderr: result.stderr })
}

function isBelow(path: string, directories: readonly string[]): boolean {
  return directories.some(
    (directory) => path === directory || path.startsWith(directory === '/' ? directory : `${directory}/`),
  )
}

/** Under /run; somebody who is not root has no place of their own there but XDG_RUNTIME_DIR (systemd, pam_systemd(8)). */
function workRoot(): string {
  const uid = process.getuid?.() ?? 0
  return uid === 0 ? WORK_ROOT : join(process.env.XDG_RUNTIME_DIR ?? tmpdir(), `aem-reseal-${uid}`)
}

/** Below /tmp anybody can be first: their directory would hold gpg's key ring, and passwords. @throws Failure */
async function assertPrivate(path: string): Promise<void> {
  const stat = await lstat(path)
  const isOwn = stat.isDirectory() && stat.uid === process.geteuid?.() && (stat.mode & 0o022) === 0
  if (!isOwn)
    throw makeFailure('write-failed', { path, reason: 'it is no directory of the user who runs this alone' })
}

async function look<T>(read: () => Promise<T>): Promise<Seen<T>> {
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
 * Where the descriptor really is stands in /proc/self/fd (proc(5)); opening first leaves nobody time to change it.
 */
async function openGuarded(path: string, guarded: boolean, flags = 0) {
  const mode = constants.O_RDONLY | constants.O_NOCTTY | constants.O_NONBLOCK | flags
  const file = await openFileHandle(path, guarded ? mode | constants.O_NOFOLLOW : mode)
  const real = await readlink(`/proc/self/fd/${file.fd}`)
  const stat = await file.stat()
  const isWanted = flags & constants.O_DIRECTORY ? stat.isDirectory() : stat.isFile()
  if (isWanted && (!guarded || real === path)) return file
  await file.close()
  throw Object.assign(new Error(`${path} is a link or not a regular file`), { code: 'ELOOP' })
}

/** The same, of a size that can be read to its end. */
async function openStreamed(path: string, guarded: boolean) {
  const file = await openGuarded(path, guarded)
  const { size } = await file.stat()
  if (size <= MAX_STREAMED_BYTES) return file
  await file.close()
  throw Object.assign(new Error(`${path} has ${size} bytes, more than are read`), { code: 'EFBIG' })
}

async function readWhole(path: string, guarded: boolean): Promise<Seen<Uint8Array>> {
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

async function listGuarded(path: string, guarded: boolean): Promise<Seen<readonly string[]>> {
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
async function statGuarded(path: string, guarded: boolean): Promise<Seen<FileStat>> {
  return look(async () => {
    if (guarded && (await realpath(dirname(path))) !== dirname(path)) {
      throw Object.assign(new Error(`${dirname(path)} is reached by a link`), { code: 'ELOOP' })
    }
    return toFileStat(await lstat(path))
  })
}

async function digestRealFile(path: string, guarded: boolean): Promise<Seen<FileDigests>> {
  return look(async () => {
    const file = await openStreamed(path, guarded)
    try {
      return await digestStream(file.createReadStream({ autoClose: false, highWaterMark: READ_CHUNK_BYTES }))
    } finally {
      await file.close()
    }
  })
}

function toFileStat(stat: Awaited<ReturnType<typeof lstat>>): FileStat {
  const kind = stat.isFile()
    ? 'file'
    : stat.isDirectory()
      ? 'directory'
      : stat.isSymbolicLink()
        ? 'link'
        : 'other'
  return {
    kind,
    sizeBytes: Number(stat.size),
    mtimeMs: Number(stat.mtimeMs),
    mode: Number(stat.mode) & 0o7777,
    ownerUid: Number(stat.uid),
  }
}

async function openRealMedia(
  media: MediaRequest,
  host: Host,
  mounted: Set<string>,
  traces: Traces,
): Promise<Seen<MountedMedia>> {
  if (media.mountPoint !== null) {
    mounted.add(media.mountPoint)
    return seen({ root: media.mountPoint, close: async () => undefined })
  }
  const mountPoint = mediaMountPoint(media.uuid)
  const device = await look(() => readlink(`/dev/disk/by-uuid/${media.uuid}`))
  if (device.state !== 'seen') return ABSENT
  if (!media.write && (await isJournalDirty(`/dev/disk/by-uuid/${media.uuid}`)) === true)
    return unknown(
      `its file system was not closed cleanly, so what GRUB reads and what AEM's initrd reads may differ; mend it with \`sudo fsck.ext4 -p /dev/disk/by-uuid/${media.uuid}\``,
    )
  const made = await look(() => mkdir(mountPoint, { recursive: true, mode: 0o700 }))
  if (made.state !== 'seen') return unknown(`${mountPoint} could not be made`)
  const forget = await traces.note(`mounted-${media.uuid}`)
  const end = async (): Promise<void> => {
    // Empty only when nothing is mounted there.
    await rmdir(mountPoint).then(forget, () => undefined)
  }
  const id = media.write ? 'mount-media-writable' : 'mount-media'
  const mount = await host.run(command(id, { uuid: media.uuid, mountPoint }))
  if (mount.state !== 'seen' || mount.value.exit !== 0) {
    const why = mount.state === 'seen' ? mount.value.stderr.trim() : 'mount could not be run'
    await end()
    return unknown(`the device with UUID ${media.uuid} could not be mounted: ${why}`)
  }
  mounted.add(mountPoint)
  let isOpen = true
  return seen({
    root: mountPoint,
    async close() {
      if (!isOpen) return
      isOpen = false
      mounted.delete(mountPoint)
      await host.run(command('unmount-media', { mountPoint }))
      await end()
    },
  })
}

async function writeAtomically(path: string, bytes: Uint8Array, mode: number): Promise<void> {
  return replaceAtomically(path, mode, (file) => file.writeFile(bytes))
}

async function copyAtomically(from: string, guarded: boolean, to: string, sha256: string): Promise<void> {
  return replaceAtomically(to, 0o600, async (file) => {
    const source = await openGuarded(from, guarded)
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

async function syncDirectory(path: string): Promise<void> {
  const directory = await openFileHandle(path, constants.O_RDONLY | constants.O_DIRECTORY)
  try {
    await directory.sync()
  } finally {
    await directory.close()
  }
}

function writeFailure(path: string, error: unknown): Failure {
  const { code, message } = error as NodeJS.ErrnoException
  if (code === 'ENOSPC' || code === 'EDQUOT') return makeFailure('disk-full', { path })
  return makeFailure('write-failed', { path, reason: message })
}

/**
 * An abstract socket: the kernel frees it when the process ends, however it ends, so no crash leaves a
 * lock behind and two processes can never both believe that they broke a stale one (unix(7)).
 */
async function holdLock(path: string): Promise<{ release(): Promise<void> }> {
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
