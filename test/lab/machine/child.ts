import { type ChildProcess, spawn } from 'node:child_process'
import { openSync } from 'node:fs'
import { hostEnvironment } from '../../stage/process.ts'

/*
 * Programs of a machine that run beside the test. Each dies with the test, whatever ends it: the kernel sends SIGKILL
 * when the parent is gone (setpriv --pdeathsig), and nothing is left for a clean-up that might not run.
 */

export type Child = {
  readonly process: ChildProcess
  /** Exit code, or the signal that ended it. */
  readonly ended: Promise<number | NodeJS.Signals>
  readonly kill: (signal: NodeJS.Signals) => void
}

/** Starts a program whose standard error (and output, unless piped) goes to a log file. */
export function startChild(
  argv: readonly string[],
  log: string,
  stdout: 'log' | 'pipe' = 'log',
  env: Readonly<Record<string, string>> = {},
): Child {
  const file = openSync(log, 'a')
  const child = spawn('setpriv', ['--pdeathsig', 'KILL', '--', ...argv], {
    stdio: ['pipe', stdout === 'pipe' ? 'pipe' : file, file],
    env: { ...hostEnvironment(), ...env },
  })
  const ended = new Promise<number | NodeJS.Signals>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code, signal) => resolve(code ?? signal ?? -1))
  })
  ended.catch(() => {}) // whoever waits for the end is told; nobody needs to
  return {
    process: child,
    ended,
    kill: (signal) => {
      child.kill(signal)
    },
  }
}

/** Waits for something for at most so many seconds. @throws Error with `what` when it does not come */
export async function within<T>(seconds: number, what: string, promise: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what}: not within ${seconds} s`)), seconds * 1000)
  })
  try {
    return await Promise.race([promise, late])
  } finally {
    clearTimeout(timer)
  }
}

/** Asks again and again until the answer is neither null nor false. @throws Error as `within` */
export async function poll<T>(
  seconds: number,
  what: string,
  ask: () => Promise<T | null | false> | T | null | false,
): Promise<T> {
  const end = Date.now() + seconds * 1000
  for (;;) {
    const answer = await ask()
    if (answer !== null && answer !== false) return answer
    if (Date.now() > end) throw new Error(`${what}: not within ${seconds} s`)
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
}
