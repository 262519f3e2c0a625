/* Long: one host: each look is answered from the directory. */

import { constants } from 'node:fs'
import { type FileHandle, lstat, readdir, readlink } from 'node:fs/promises'
import type { CommandCall } from '../tables/commands.ts'
import { makeFailure } from '../tables/failures.ts'
import { digestStream } from './digest.ts'
import type { FileDigests, FileStat, Host, RunResult, Seen } from './host.ts'
import { ABSENT, seen, unknown } from './host.ts'
import { openWanted } from './open-path.ts'
import { kindOf } from './real-look.ts'
import { loadRecordedMachine, type RecordedMachine } from './recorded-format.ts'
import { lstatOrNull, placeOf, resolve } from './recorded-paths.ts'

/** Files of a recorded machine come from strangers: none may be larger. */
const MAX_FILE_BYTES = 64 * 1024 * 1024
/** The largest initramfs seen in a dom0 has some 100 MB. */
const MAX_STREAMED_BYTES = 1024 * 1024 * 1024
const READ_CHUNK_BYTES = 1 << 20

/**
 * A machine that somebody recorded, replayed read-only. What it does not hold is unknown and never looked
 * up on the machine that the program runs on.
 *
 * @param directory the recorded machine (docs/contract.md, recorded machine)
 * @param stateDir a directory of the machine that the program runs on, where the session is read instead
 * @throws Failure when the directory is no recorded machine of format 1
 */
export async function makeRecordedHost(directory: string, stateDir: string | null = null): Promise<Host> {
  const machine = await loadRecordedMachine(directory)
  const read = (path: string): Promise<Seen<Uint8Array>> =>
    stateDir !== null && path.startsWith(`${stateDir}/`) ? readOwnState(path) : readRecorded(machine, path)
  const answered = new Map<string, number>()
  const refuse = async (path: string): Promise<never> => {
    throw makeFailure('machine-is-read-only', { directory, path })
  }
  return {
    kind: 'recorded',
    description: machine.description || directory,
    writable: false,
    uid: async () => machine.uid,
    now: () => new Date(machine.time ?? 0),
    run: async (call) => answerCommand(machine, answered, call),
    readFile: read,
    readLink: (path) => readRecordedLink(machine, path),
    listDirectory: (path) =>
      stateDir !== null && path.startsWith(`${stateDir}/`) ? listOwnState(path) : listRecorded(machine, path),
    statFile: (path) => statRecorded(machine, path),
    digestFile: (path) => digestRecorded(machine, path),
    async openFile(path) {
      return openRecorded(machine, path)
    },
    async openMedia({ uuid, mountPoint }) {
      if (mountPoint !== null) return seen({ root: mountPoint, close: async () => undefined })
      const place = await resolve(machine, `/run/aem-reseal/media/${uuid}`)
      if (place.state !== 'seen') return place.state === 'absent' ? ABSENT : place
      return seen({ root: `/run/aem-reseal/media/${uuid}`, close: async () => undefined })
    },
    writeFileAtomic: refuse,
    makePrivateDirectory: refuse,
    removeFile: refuse,
    copyFile: (_from, to) => refuse(to),
    renameFile: refuse,
    readFileSystemState: async () => unknown('superblocks are not recorded'),
    freeBytes: async () => unknown('free space is not recorded'),
    makeWorkDirectory: () => refuse('/run/aem-reseal'),
    randomBytes: () => {
      throw makeFailure('machine-is-read-only', { directory, path: 'randomness' })
    },
    close: async () => undefined,
    lockFile: async () => ({ release: async () => undefined }),
  }
}

async function answerCommand(
  machine: RecordedMachine,
  answered: Map<string, number>,
  call: CommandCall,
): Promise<Seen<RunResult>> {
  if (call.effect === 'write') {
    throw makeFailure('machine-is-read-only', { directory: machine.directory, path: call.argv.join(' ') })
  }
  const key = JSON.stringify(call.argv)
  const answers = machine.commands.get(key)
  if (!answers) {
    if (machine.absent.has(call.argv[0] ?? '')) return ABSENT
    return unknown(`the recorded machine does not hold: ${call.argv.join(' ')}`)
  }
  const turn = answered.get(key) ?? 0
  answered.set(key, turn + 1)
  const answer = answers[Math.min(turn, answers.length - 1)]
  if (!answer) return unknown('no answer is recorded')
  return seen({ exit: answer.exit, stdout: await answer.stdout(call.binary), stderr: await answer.stderr() })
}

async function readRecorded(machine: RecordedMachine, path: string): Promise<Seen<Uint8Array>> {
  const place = await resolve(machine, path)
  if (place.state !== 'seen') return place
  const file = await openRegular(place.value, MAX_FILE_BYTES)
  if ('why' in file) return unknown(`${path} ${file.why}`)
  try {
    return seen(await file.handle.readFile())
  } finally {
    await file.handle.close()
  }
}

async function readOwnState(path: string): Promise<Seen<Uint8Array>> {
  const code = await lstat(path).then(
    () => null,
    (error: NodeJS.ErrnoException) => error.code,
  )
  if (code === 'ENOENT' || code === 'ENOTDIR') return ABSENT
  const file = await openRegular(path, MAX_FILE_BYTES)
  if ('why' in file) return unknown(`${path} ${file.why}`)
  try {
    return seen(await file.handle.readFile())
  } finally {
    await file.handle.close()
  }
}

async function listOwnState(path: string): Promise<Seen<readonly string[]>> {
  try {
    return seen(await readdir(path))
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    return code === 'ENOENT' || code === 'ENOTDIR' ? ABSENT : unknown(message)
  }
}

async function readRecordedLink(machine: RecordedMachine, path: string): Promise<Seen<string>> {
  const place = await resolve(machine, path, false)
  if (place.state !== 'seen') return place
  const stat = await lstatOrNull(place.value)
  return stat?.isSymbolicLink() ? seen(await readlink(place.value)) : unknown(`${path} is no link`)
}

/**
 * The names right below a path among all that machine.json knows of, without looking at those of other places.
 * @param keys ascending by code unit
 */
function listChildren(keys: readonly string[], path: string): Set<string> {
  const children = new Set<string>()
  const prefix = `${path}/`
  let at = findFirst(keys, prefix)
  for (let key = keys[at]; key?.startsWith(prefix); key = keys[at]) {
    const end = key.indexOf('/', prefix.length)
    const child = key.slice(prefix.length, end === -1 ? undefined : end)
    if (child !== '') children.add(child)
    // `0` comes right after `/`: what lies below this name is stepped over.
    at = end === -1 ? at + 1 : findFirst(keys, `${prefix}${child}0`)
  }
  return children
}

/** Index of the first that is not before the wanted one. */
function findFirst(keys: readonly string[], wanted: string): number {
  let [low, high] = [0, keys.length]
  while (low < high) {
    const middle = (low + high) >> 1
    if ((keys[middle] ?? '') < wanted) low = middle + 1
    else high = middle
  }
  return low
}

async function listRecorded(machine: RecordedMachine, path: string): Promise<Seen<readonly string[]>> {
  const { key } = placeOf(path)
  const known = listChildren(machine.keys, key)
  const place = await resolve(machine, path)
  if (place.state !== 'seen') return known.size > 0 ? seen([...known].sort()) : place
  const stat = await lstatOrNull(place.value)
  if (!stat?.isDirectory()) return unknown(`${path} is not a directory in the recorded machine`)
  const names = await readdir(place.value).catch(() => null)
  if (names === null) return unknown(`${path} cannot be listed in the recorded machine`)
  for (const name of names) if (name !== '.keep') known.add(name)
  return seen([...known].sort())
}

async function statRecorded(machine: RecordedMachine, path: string): Promise<Seen<FileStat>> {
  const { key } = placeOf(path)
  const listed = machine.stats[key]
  if (listed) return seen(listed)
  const digest = machine.digests[key]
  if (digest) return seen({ kind: 'file', sizeBytes: digest.sizeBytes, mtimeMs: Number.NaN, mode: 0 })
  const place = await resolve(machine, path, false)
  if (place.state !== 'seen') return place
  const stat = await lstat(place.value)
  // Times and permissions of the copy say nothing about the machine; only machine.json's stats do.
  return seen({ kind: kindOf(stat), sizeBytes: stat.size, mtimeMs: Number.NaN, mode: 0 })
}

async function digestRecorded(machine: RecordedMachine, path: string): Promise<Seen<FileDigests>> {
  const listed = machine.digests[placeOf(path).key]
  if (listed) return seen(listed)
  const content = await openRecorded(machine, path)
  return content.state === 'seen' ? seen(await digestStream(content.value)) : content
}

/** Streams a file, as an initramfs may be large and is only hashed; a sparse file without end is not. */
async function openRecorded(
  machine: RecordedMachine,
  path: string,
): Promise<Seen<AsyncIterable<Uint8Array>>> {
  const place = await resolve(machine, path)
  if (place.state !== 'seen') return place
  const file = await openRegular(place.value, MAX_STREAMED_BYTES)
  return 'why' in file
    ? unknown(`${path} ${file.why}`)
    : seen(file.handle.createReadStream({ highWaterMark: READ_CHUNK_BYTES }))
}

/** Pipes, sockets, devices and links are never read: they come from strangers, and some never end. */
async function openRegular(
  place: string,
  maxBytes: number,
): Promise<{ handle: FileHandle } | { why: string }> {
  const opened = await openWanted(place, constants.O_NOFOLLOW, (stat) => stat.isFile()).catch(
    (error: NodeJS.ErrnoException) => ({
      why: error.code === 'ELOOP' ? 'is not a regular file' : 'cannot be read',
    }),
  )
  if ('why' in opened) return opened
  const { size } = await opened.stat()
  if (size <= maxBytes) return { handle: opened }
  await opened.close()
  return { why: `has ${size} bytes, more than are read` }
}
