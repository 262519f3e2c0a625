import { mkdir, mkdtemp, readdir, readFile, rm, rmdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { CommandCall } from '../tables/commands.ts'
import { command, isUuid } from '../tables/commands.ts'
import { MEDIA_ROOT, mediaMountPoint } from '../tables/paths.ts'
import type { RunResult, Seen } from './host.ts'

/*
 * What a run leaves outside of itself for a moment (files of tools, among them an SRK password; a mounted stick; a
 * stopped tcsd; a session in the TPM) is noted in a directory of its own, named after the process. SIGKILL leaves it
 * there, and the next run undoes it. All of it is under /run, so a restart ends it too.
 */

type Run = (call: CommandCall) => Promise<Seen<RunResult>>

export type Traces = {
  /** An empty 0700 directory. */
  makeWorkDirectory(): Promise<string>
  /** Notes it before it is done. @returns takes the note back, once it is undone */
  note(what: Trace): Promise<() => Promise<void>>
  /** Removes the directory of this process where nothing is noted in it. */
  close(): Promise<void>
}

export type Trace = 'tcsd-stopped' | `mounted-${string}`

/** The session file of src/observe/verify/trial-unseal-tpm2.ts, in a work directory. */
const SESSION_FILE = 'session'
const TPM_VERSION = '/sys/class/tpm/tpm0/tpm_version_major'
const TCSD_RETRIES = 40
const TCSD_RETRY_MS = 250

/** @param root the directory under /run that all runs share */
export function makeTraces(root: string): Traces {
  let own: string | null = null
  const open = async (): Promise<string> => {
    own ??= join(root, await nameProcess(process.pid))
    await mkdir(own, { recursive: true, mode: 0o700 })
    return own
  }
  return {
    makeWorkDirectory: async () => mkdtemp(join(await open(), 'work-')),
    async note(what) {
      const file = join(await open(), what)
      await writeFile(file, '', { mode: 0o600 })
      return () => rm(file, { force: true })
    },
    async close() {
      if (own !== null) await removeEmpty(own, MEDIA_ROOT, root)
    },
  }
}

/** Undoes what ended runs left. Runs that still live, this one too, are left alone. */
export async function clearTraces(root: string, run: Run): Promise<void> {
  const ended: string[] = []
  for (const name of await readdir(root).catch((): string[] => [])) {
    const [, pid] = /^([0-9]+)-[0-9]+$/.exec(name) ?? []
    if (pid !== undefined && (await nameProcess(Number(pid)).catch(() => null)) !== name) ended.push(name)
  }
  if (ended.length === 0) return
  for (const name of ended) await clearOne(join(root, name), run)
  await removeEmpty(MEDIA_ROOT, root)
  // A tool whose reader is gone dies while it writes, before it takes its own objects out of the TPM.
  const major = await readFile(TPM_VERSION, 'utf8').catch(() => '')
  if (major.trim() !== '2') return
  await run(command('flush-transient', {}))
  await run(command('flush-sessions', {}))
}

async function removeEmpty(...directories: readonly string[]): Promise<void> {
  for (const directory of directories) await rmdir(directory).catch(() => undefined)
}

async function clearOne(directory: string, run: Run): Promise<void> {
  let isClear = true
  for (const name of await readdir(directory).catch(() => [])) {
    const path = join(directory, name)
    const isUndone = name === 'tcsd-stopped' ? await startTcsd(run) : await undo(name, path, run)
    if (isUndone) await rm(path, { recursive: true, force: true })
    isClear &&= isUndone
  }
  if (isClear) await rm(directory, { recursive: true, force: true })
}

async function undo(name: string, path: string, run: Run): Promise<boolean> {
  const uuid = name.replace(/^mounted-/, '')
  if (uuid !== name && isUuid(uuid)) {
    const mountPoint = mediaMountPoint(uuid)
    await run(command('unmount-media', { mountPoint }))
    return rmdir(mountPoint).then(
      () => true,
      (error: NodeJS.ErrnoException) => error.code === 'ENOENT',
    )
  }
  const isSessionKept = (await readdir(path).catch((): string[] => [])).includes(SESSION_FILE)
  if (isSessionKept) await run(command('tpm2-flush-session', { sessionFile: join(path, SESSION_FILE) }))
  return true
}

/**
 * The system's tcsd. One of ours whose program was killed ends by itself, but may still keep the port for a moment.
 * @returns whether it runs
 */
export async function startTcsd(run: Run): Promise<boolean> {
  for (let tries = 0; tries < TCSD_RETRIES; tries++) {
    const started = await run(command('tcsd-start', {}))
    if (started.state === 'seen' && started.value.exit === 0) return true
    if (started.state === 'absent') return false
    await new Promise((resolve) => setTimeout(resolve, TCSD_RETRY_MS))
  }
  return false
}

/** Its pid and start time, which no later process shares (proc_pid_stat(5), field 22). @throws when there is none */
async function nameProcess(pid: number): Promise<string> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8')
  // The name in parentheses may hold blanks and parentheses itself.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  if (fields[0] === 'Z') throw new Error(`process ${pid} has ended`)
  return `${pid}-${fields[19]}`
}
