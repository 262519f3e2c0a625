/* Long: one host: every power of it stands in one file, to be read at once. */

import { randomBytes } from 'node:crypto'
import { lstat, mkdir, readlink, realpath, rename, rm, statfs } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { command } from '../tables/commands.ts'
import { makeFailure } from '../tables/failures.ts'
import { believedRootOf, type PathAccess, pathAllowed, WORK_ROOT } from '../tables/paths.ts'
import { readExt4State } from './ext4.ts'
import type { FileDigests, Host } from './host.ts'
import { seen, unknown } from './host.ts'
import { clearTraces, makeTraces } from './leftovers.ts'
import { holdLock } from './lock.ts'
import { findForeign } from './ownership.ts'
import {
  digestGuarded,
  identifyGuarded,
  listGuarded,
  look,
  openStreamed,
  READ_CHUNK_BYTES,
  readWhole,
  statGuarded,
} from './real-look.ts'
import { openRealMedia } from './real-media.ts'
import { copyAtomically, syncDirectory, writeAtomically, writeFailure } from './real-write.ts'
import { runProgram } from './run-program.ts'
import { shareMedia } from './share-media.ts'
import { streamProgram } from './stream-program.ts'

/** Trees that somebody with the machine or a stick in hand can have prepared. */
const GUARDED_ROOTS = ['/boot', '/var/lib/anti-evil-maid', '/var/lib/tpms', '/run/anti-evil-maid']

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
  const check = (path: string, access: PathAccess): void => {
    const isPlain = !path.split('/').includes('..') && !path.includes('\0')
    const allowed =
      isPlain &&
      ((access === 'read' && isBelow(path, options.userDirectories)) ||
        isBelow(path, [workRoot()]) ||
        pathAllowed(path, access, { stateDir: options.stateDir, mediaRoots: [...mounted] }))
    if (!allowed) throw new Error(`path ${path} is not in src/tables/paths.ts for ${access}`)
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
  const digested = new Map<string, FileDigests>()
  // A device that is mounted for one look is read again by the next: it may not be the same one.
  const isReadAgain = (path: string): boolean => isBelow(path, [workRoot()])
  const openShared = shareMedia((media) => openRealMedia(media, host, mounted, traces))
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
    unpack: streamProgram,
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
      return digestGuarded(path, isGuarded(path), isReadAgain(path) ? null : digested)
    },
    async identifyFile(path) {
      check(path, 'read')
      return isReadAgain(path) ? null : identifyGuarded(path, isGuarded(path))
    },
    async openFile(path) {
      check(path, 'read')
      return look(async () => {
        const file = await openStreamed(path, isGuarded(path))
        return file.createReadStream({ highWaterMark: READ_CHUNK_BYTES })
      })
    },
    async openMedia(media) {
      const look = await openShared(media)
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
    async readFileSystemState(uuid) {
      const path = `/dev/disk/by-uuid/${uuid}`
      check(path, 'read')
      const state = await readExt4State(path)
      return state === null ? unknown(`no ext4 superblock could be read from ${path}`) : seen(state)
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
