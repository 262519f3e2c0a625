import { catalogueUntil } from '../../core/bulletin/catalogue.ts'
import { CATALOGUE } from '../../core/bulletin/catalogue-data.ts'
import { digestStream } from '../digest.ts'
import { ABSENT, type Host, seen, unknown } from '../host.ts'
import { fileAt, linkAt, namesIn, putFile, removeFiles } from './files.ts'
import { sha256 as digest, findDevice, type SimMachine } from './model.ts'
import { isSealAsked, startSeal } from './power.ts'
import { answerProgram } from './programs.ts'

const WORK = '/run/aem-reseal/1-1/work-'

/**
 * The built-in machine as a host: every read and every program is answered from the model.
 * @param askGate what systemd asks before it starts a seal that has the drop-in
 */
export function makeSimulatedHost(
  machine: SimMachine,
  askGate: () => Promise<boolean> = async () => true,
): Host {
  let works = 0
  return {
    kind: 'simulated',
    description: describeMachine(machine),
    catalogue: catalogueUntil(CATALOGUE, machine.plays.bulletin),
    writable: true,
    uid: async () => 0,
    now() {
      machine.nowMs += 1000
      return new Date(machine.nowMs)
    },
    async run(call, input) {
      if (call.id === 'seal-held') {
        startSeal(machine, !isSealAsked(machine) || (await askGate()))
        return seen({ exit: machine.seal.exit, stdout: '', stderr: '' })
      }
      const answer = answerProgram(machine, call, input)
      return answer === null ? ABSENT : seen(answer)
    },
    async readFile(path) {
      const file = fileAt(machine, path)
      return file ? seen(file.bytes) : ABSENT
    },
    async readLink(path) {
      const target = linkAt(path)
      return target === null ? ABSENT : seen(target)
    },
    async listDirectory(path) {
      const names = namesIn(machine, path)
      return names === null ? ABSENT : seen(names)
    },
    async statFile(path) {
      const file = fileAt(machine, path)
      if (file)
        return seen({
          kind: 'file',
          sizeBytes: file.bytes.length,
          mtimeMs: file.mtimeMs,
          mode: 0o600,
          ownerUid: 0,
        })
      if (path !== '/' && namesIn(machine, path) === null) return ABSENT
      return seen({ kind: 'directory', sizeBytes: 0, mtimeMs: machine.bootTimeMs, mode: 0o700, ownerUid: 0 })
    },
    async digestFile(path) {
      const file = fileAt(machine, path)
      return file ? seen(await digestStream(oneChunk(file.bytes))) : ABSENT
    },
    async openFile(path) {
      const file = fileAt(machine, path)
      return file ? seen(oneChunk(file.bytes)) : ABSENT
    },
    async openMedia({ uuid, mountPoint }) {
      const device = findDevice(machine, uuid)
      if (!device?.isPresent) return ABSENT
      if (mountPoint !== null && !device.isInternal) return unknown('the built-in machine mounts no stick')
      return seen({ root: mountPoint ?? `/run/aem-reseal/media/${uuid}`, close: async () => undefined })
    },
    async writeFileAtomic(path, bytes) {
      putFile(machine, path, bytes)
    },
    async copyFile(from, to, sha256) {
      const file = fileAt(machine, from)
      if (!file || digest(file.bytes) !== sha256) throw new Error(`${from} is not what was to be copied`)
      putFile(machine, to, file.bytes)
    },
    makePrivateDirectory: async () => undefined,
    async removeFile(path) {
      removeFiles(machine, path)
    },
    async renameFile(from, to) {
      const file = fileAt(machine, from)
      if (!file) throw new Error(`no file ${from}`)
      putFile(machine, to, file.bytes)
      removeFiles(machine, from)
    },
    readFileSystemState: async () => unknown('the built-in machine has no superblocks'),
    freeBytes: async () => seen(512 * 1024 * 1024),
    async makeWorkDirectory() {
      const root = `${WORK}${works++}`
      return { root, close: async () => removeFiles(machine, root) }
    },
    // Not random: the built-in machine has no secrets, and every rehearsal is the same.
    randomBytes: (sizeBytes) => Buffer.alloc(sizeBytes, machine.bootCount),
    close: async () => undefined,
    lockFile: async () => ({ release: async () => undefined }),
  }
}

/** Which machine of which day this is: its clock and its bulletins stand there. */
function describeMachine({ plays: { release, bulletin }, nowMs }: SimMachine): string {
  const day = new Date(nowMs).toISOString().slice(0, 10)
  return `the built-in machine, Qubes OS ${release} on ${day}, the day of QSB-${bulletin}`
}

async function* oneChunk(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes
}
