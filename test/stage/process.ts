import { type ChildProcess, spawn } from 'node:child_process'

/** What a finished program left. `exit` is -1 when it was ended by a signal or by the time limit. */
export interface Finished {
  exit: number
  stdout: string
  stderr: string
}

export interface RunOptions {
  input?: string | Uint8Array
  env?: Record<string, string>
  /** Working directory; that of this process by default. */
  cwd?: string
  timeoutMs?: number
}

/** A program that is still running: its group can be killed, its end awaited. */
export interface Running {
  child: ChildProcess
  kill: (signal: NodeJS.Signals) => void
  finished: Promise<Finished>
}

/** Starts a program in a process group of its own, so that a kill reaches what it started too. */
export function start(argv: readonly string[], options: RunOptions = {}): Running {
  const [program, ...args] = argv
  if (program === undefined) throw new Error('empty argv')
  const child = spawn(program, args, {
    detached: true,
    stdio: ['pipe', 'pipe', 'pipe'],
    env: options.env ?? hostEnvironment(),
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
  })
  const kill = (signal: NodeJS.Signals): void => {
    try {
      if (child.pid !== undefined) process.kill(-child.pid, signal)
    } catch {
      // the group is gone already
    }
  }
  const finished = new Promise<Finished>((resolve, reject) => {
    const out: Buffer[] = []
    const err: Buffer[] = []
    const timer = options.timeoutMs ? setTimeout(() => kill('SIGKILL'), options.timeoutMs) : undefined
    child.stdout.on('data', (chunk: Buffer) => out.push(chunk))
    child.stderr.on('data', (chunk: Buffer) => err.push(chunk))
    child.on('error', reject)
    child.on('close', (code) => {
      clearTimeout(timer)
      resolve({
        exit: code ?? -1,
        stdout: Buffer.concat(out).toString(),
        stderr: Buffer.concat(err).toString(),
      })
    })
    child.stdin.on('error', () => {}) // EPIPE: the program did not want all of its input
    child.stdin.end(options.input ?? '')
  })
  return { child, kill, finished }
}

/** Runs a program to its end. */
export function run(argv: readonly string[], options: RunOptions = {}): Promise<Finished> {
  return start(argv, options).finished
}

/** Runs a program that must succeed. @throws Error with the command and its words otherwise. */
export async function must(argv: readonly string[], options: RunOptions = {}): Promise<string> {
  const result = await run(argv, { timeoutMs: 120_000, ...options })
  if (result.exit !== 0)
    throw new Error(`${argv.join(' ')} ended with ${result.exit}\n${result.stdout}${result.stderr}`)
  return result.stdout
}

/** The environment for programs outside the stage: no LANG, no user's TPM or gpg settings. */
export function hostEnvironment(): Record<string, string> {
  return {
    PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
    LC_ALL: 'C',
    HOME: '/root',
    TZ: 'UTC',
  }
}
