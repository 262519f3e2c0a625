/* Long: one host: what is asked of it is remembered call by call. */

import { mkdir, symlink, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { parseAemLabel } from '../core/aem/devices.ts'
import { COMMANDS, type CommandCall, type CommandId } from '../tables/commands.ts'
import { isPlainSecretPath, isSecretPath, mediaUuidOf } from '../tables/paths.ts'
import type { FileDigests, FileStat, Host, RunResult } from './host.ts'
import { makeOwnDirectory } from './own-directory.ts'

export type RecordSummary = {
  readonly files: number
  readonly commands: number
  readonly leftOut: readonly string[]
}

/** Files up to this size are recorded whole; larger ones by their digests only. */
const MAX_RECORDED_BYTES = 1024 * 1024

type Recorded = {
  readonly files: Map<string, Uint8Array>
  readonly links: Map<string, string>
  readonly directories: Set<string>
  readonly digests: Map<string, FileDigests>
  readonly stats: Map<string, FileStat>
  readonly absent: Set<string>
  readonly commands: { argv: readonly string[]; result: RunResult }[]
  readonly leftOut: Set<string>
}

/**
 * A host that remembers all it is asked, and writes it as a recorded machine.
 *
 * @param out a new or empty directory
 * @throws Failure when the directory holds something, or is not the user's own
 */
export async function makeRecorder(
  host: Host,
  out: string,
): Promise<{ host: Host; write(): Promise<RecordSummary>; close(): Promise<void> }> {
  const directory = await makeOwnDirectory(out)
  const recorded: Recorded = {
    files: new Map(),
    links: new Map(),
    directories: new Set(),
    digests: new Map(),
    stats: new Map(),
    absent: new Set(),
    commands: [],
    // Said always: a recorded machine without them is no machine without qubes.
    leftOut: new Set([COMMANDS['running-qubes'].program]),
  }
  return {
    host: watch(host, recorded),
    write: () => writeMachine(host, recorded, directory.root),
    close: () => directory.close(),
  }
}

function watch(host: Host, recorded: Recorded): Host {
  const places = { stateDir: '/nonexistent', mediaRoots: [] }
  const isLarge = new Set<string>()
  const noteAbsent = (path: string, state: string): void => {
    if (state === 'absent') recorded.absent.add(keyOf(path))
  }
  return {
    ...host,
    // Only looks are recorded: no trial unseal, whose answers would be secrets.
    writable: false,
    async run(call, input) {
      const answer = await host.run(call, input)
      // What goes in by standard input is secret, and the answer may be too.
      if (call.secret || input !== undefined) return answer
      if (NAMES_QUBES.has(call.id)) {
        recorded.leftOut.add(call.argv[0] ?? '')
        return answer
      }
      if (answer.state === 'seen')
        recorded.commands.push({ argv: call.argv, result: redact(call, answer.value) })
      if (answer.state === 'absent') recorded.absent.add(call.argv[0] ?? '')
      return answer
    },
    async readFile(path) {
      const answer = await host.readFile(path)
      noteAbsent(path, answer.state)
      if (answer.state !== 'seen') return answer
      if (isSecretPath(path, places)) recorded.leftOut.add(path)
      else if (answer.value.length <= MAX_RECORDED_BYTES) recorded.files.set(path, answer.value)
      else isLarge.add(path)
      return answer
    },
    async readLink(path) {
      const answer = await host.readLink(path)
      noteAbsent(path, answer.state)
      if (answer.state === 'seen') recorded.links.set(path, answer.value)
      return answer
    },
    async listDirectory(path) {
      const answer = await host.listDirectory(path)
      noteAbsent(path, answer.state)
      if (answer.state !== 'seen') return answer
      recorded.directories.add(path)
      // A name without contents: the listing must be the same, the secret must not be there.
      for (const name of answer.value) await noteStat(host, recorded, `${path}/${name}`, places)
      return answer
    },
    async statFile(path) {
      const answer = await host.statFile(path)
      noteAbsent(path, answer.state)
      if (answer.state === 'seen') recorded.stats.set(keyOf(path), withoutSize(path, answer.value))
      return answer
    },
    async digestFile(path) {
      const answer = await host.digestFile(path)
      noteAbsent(path, answer.state)
      if (answer.state === 'seen' && !isPlainSecretPath(path)) recorded.digests.set(keyOf(path), answer.value)
      if (answer.state === 'seen' && isSecretPath(path, places)) recorded.leftOut.add(path)
      return answer
    },
  }
}

async function noteStat(
  host: Host,
  recorded: Recorded,
  path: string,
  places: Parameters<typeof isSecretPath>[1],
) {
  const stat = await host.statFile(path).catch(() => null)
  if (stat?.state !== 'seen') return
  recorded.stats.set(keyOf(path), withoutSize(path, stat.value))
  if (isSecretPath(path, places)) recorded.leftOut.add(path)
}

/** The length of a sentence helps to guess it. */
function withoutSize(path: string, stat: FileStat): FileStat {
  return isPlainSecretPath(path) ? { ...stat, sizeBytes: 0 } : stat
}

function keyOf(path: string): string {
  const media = mediaUuidOf(path)
  return media ? `devices/${media.uuid}${media.rest}` : path
}

/** Programs that name qubes: whose they are, and which run, is nobody else's business. */
const NAMES_QUBES: ReadonlySet<CommandId> = new Set([
  'running-qubes',
  'pci-devices',
  'pci-devices-sbdf',
  'pci-assignments',
])

/** lsblk names every disk of the machine; only AEM devices are wanted. */
function redact(call: CommandCall, result: RunResult): RunResult {
  if (call.id !== 'lsblk') return result
  try {
    const json = JSON.parse(result.stdout) as { blockdevices: { label?: string | null }[] }
    const blockdevices = json.blockdevices.filter(
      ({ label }) => label != null && parseAemLabel(label) !== null,
    )
    return { ...result, stdout: JSON.stringify({ blockdevices }) }
  } catch {
    return { ...result, stdout: '' }
  }
}

/** @param out nobody else can change what is in it, and links are the last that is written there */
async function writeMachine(host: Host, recorded: Recorded, out: string): Promise<RecordSummary> {
  const put = async (path: string, write: (place: string) => Promise<void>): Promise<void> => {
    const place = join(out, path.startsWith('devices/') ? path : `root${path}`)
    await mkdir(dirname(place), { recursive: true, mode: 0o700 })
    await write(place)
  }
  const writeNew = (place: string, content: string | Uint8Array): Promise<void> =>
    writeFile(place, content, { flag: 'wx', mode: 0o600 })
  await mkdir(join(out, 'root'), { mode: 0o700 })
  for (const path of recorded.directories) {
    await put(`${keyOf(path)}/.keep`, (place) => writeNew(place, ''))
  }
  for (const [path, bytes] of recorded.files) {
    await put(keyOf(path), (place) => writeNew(place, bytes)).catch(() => recorded.leftOut.add(path))
  }
  for (const [path, target] of recorded.links) {
    await put(path, (place) => symlink(target, place)).catch(() => undefined)
  }
  const machine = {
    format: 1,
    description: 'recorded by aem-reseal',
    time: host.now().toISOString(),
    uid: await host.uid(),
    absent: [...recorded.absent].sort(),
    digests: Object.fromEntries(recorded.digests),
    stats: Object.fromEntries(recorded.stats),
    leftOut: [...recorded.leftOut].sort(),
  }
  await writeNew(join(out, 'machine.json'), `${JSON.stringify(machine, null, 2)}\n`)
  const commands = dropRepeats(recorded.commands).map(({ argv, result }) => ({ argv, ...result }))
  await writeNew(join(out, 'commands.json'), `${JSON.stringify(commands, null, 2)}\n`)
  return { files: recorded.files.size, commands: commands.length, leftOut: machine.leftOut }
}

/** The same argv with the same answer needs to stand there once: the last answer repeats. */
function dropRepeats(commands: Recorded['commands']): Recorded['commands'] {
  const last = new Map<string, string>()
  return commands.filter(({ argv, result }) => {
    const [key, answer] = [JSON.stringify(argv), JSON.stringify(result)]
    if (last.get(key) === answer) return false
    last.set(key, answer)
    return true
  })
}
