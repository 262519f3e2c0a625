import type { CommandCall } from '../tables/commands.ts'
import { guestEnvironment } from './environment.ts'
import type { RunResult, Seen } from './host.ts'
import { ABSENT, seen, unknown } from './host.ts'

/** Runs a program of the table: by its absolute path, without a shell, in an environment made from nothing, with its limits. */
export async function runProgram(
  call: CommandCall,
  input?: Uint8Array,
  cancelSignal?: AbortSignal,
): Promise<Seen<RunResult>> {
  const { execa } = await import('./execa.ts')
  const [program, ...args] = call.argv
  if (!program?.startsWith('/')) throw new Error(`program ${program} is not an absolute path`)
  const start = () =>
    execa(program, args, {
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
  const result = await withUmask(call.umask, start)
  if (result.code === 'ENOENT') return ABSENT
  if (result.timedOut) return unknown(`${program} did not end within ${call.timeoutMs / 1000} s`)
  if (result.isMaxBuffer) return unknown(`${program} printed more than ${call.maxOutputBytes} bytes`)
  if (result.exitCode === undefined) return unknown(`${program} could not be run: ${result.shortMessage}`)
  return seen({ exit: result.exitCode, stdout: result.stdout, stderr: result.stderr })
}

/** A process begins with the umask of the one that starts it, and execa starts it before it returns; no other code runs meanwhile. */
function withUmask<T>(umask: number | null, start: () => T): T {
  if (umask === null) return start()
  const own = process.umask(umask)
  try {
    return start()
  } finally {
    process.umask(own)
  }
}
