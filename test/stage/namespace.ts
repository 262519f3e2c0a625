import { type ChildProcess, spawn } from 'node:child_process'
import { mkdir } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { type Finished, hostEnvironment, must, type Running, type RunOptions, run, start } from './process.ts'

const here = import.meta.dirname

/** PID 1 of a set of namespaces. They and all that runs or is mounted in them go when it ends. */
export interface Namespace {
  /** Process number as the machine outside sees it. */
  pid: number
  /** The command that enters the namespaces; a program and its arguments follow it. */
  enter: readonly string[]
  end: () => Promise<void>
}

/** The namespaces a stage lives in, with a tmpfs of their own that nobody outside has mounted. */
export interface Holder extends Namespace {
  /** Where the tmpfs is for programs inside. */
  folder: string
  /** The same folder for this process, through /proc. */
  outside: (...parts: string[]) => string
  must: (argv: readonly string[], options?: RunOptions) => Promise<string>
  run: (argv: readonly string[], options?: RunOptions) => Promise<Finished>
  start: (argv: readonly string[], options?: RunOptions) => Running
}

export async function begin(
  argv: readonly string[],
  enter: (pid: number) => readonly string[],
): Promise<Namespace> {
  const [program, ...args] = argv
  // Standard input is held open for as long as this process lives: its end is what ends PID 1.
  const child: ChildProcess = spawn(program as string, args, {
    stdio: ['pipe', 'pipe', 'pipe'],
    env: hostEnvironment(),
  })
  child.stdin?.on('error', () => {})
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()))
  const pid = await new Promise<number>((resolve, reject) => {
    let out = ''
    let err = ''
    child.stderr?.on('data', (chunk: Buffer) => {
      err += chunk
    })
    child.stdout?.on('data', (chunk: Buffer) => {
      out += chunk
      const ready = /^ready (\d+)$/m.exec(out)
      if (ready) resolve(Number(ready[1]))
    })
    child.once('error', reject)
    child.once('close', (code) => reject(new Error(`${argv.join(' ')} ended with ${code}: ${out}${err}`)))
  })
  child.unref()
  return {
    pid,
    enter: enter(pid),
    end: async () => {
      try {
        process.kill(pid, 'SIGKILL')
      } catch {
        // gone already
      }
      await ended
    },
  }
}

export async function openHolder(): Promise<Holder> {
  // The same folder for every stage: each mounts its own tmpfs there, in its own mount namespace. It is never
  // removed, as that would take the mounts of other stages with it.
  const folder = path.join(tmpdir(), 'aem-reseal-stage')
  await mkdir(folder, { recursive: true, mode: 0o700 })
  const script = path.join(here, 'namespace/holder.sh')
  const namespace = await begin(
    ['unshare', '--mount', '--net', '--uts', '--pid', '--fork', '--kill-child', 'bash', script, folder],
    (pid) => ['nsenter', '--target', `${pid}`, '--mount', '--net', '--uts', '--pid', '--'],
  )
  return {
    ...namespace,
    folder,
    outside: (...parts) => path.join(`/proc/${namespace.pid}/root`, folder, ...parts),
    must: (argv, options) => must([...namespace.enter, ...argv], options),
    run: (argv, options) => run([...namespace.enter, ...argv], options),
    start: (argv, options) => start([...namespace.enter, ...argv], options),
  }
}

/** The namespaces of one boot phase, inside the holder's. */
export function openBoot(holder: Holder, phase: 'initrd' | 'dom0'): Promise<Namespace> {
  const script = path.join(here, 'namespace/boot.sh')
  return begin(
    [
      ...holder.enter,
      'unshare',
      '--mount',
      '--pid',
      '--fork',
      '--kill-child',
      'bash',
      script,
      holder.folder,
      phase,
    ],
    (pid) => ['nsenter', '--target', `${pid}`, '--mount', '--net', '--uts', '--pid', '--wdns=/', '--'],
  )
}
