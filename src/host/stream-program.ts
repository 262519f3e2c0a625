import type { Writable } from 'node:stream'
import { UnpackError } from '../core/initramfs/read-image.ts'
import type { CommandCall } from '../tables/commands.ts'
import { guestEnvironment } from './environment.ts'

/**
 * Streams bytes through a program of the table, in bounded memory.
 * @throws UnpackError with what the program said, where it is missing, ends with another code than 0 or takes too long
 */
export async function* streamProgram(
  call: CommandCall,
  input: AsyncIterable<Uint8Array>,
  onMissing: (program: string) => void,
): AsyncGenerator<Uint8Array> {
  const { execa } = await import('./execa.ts')
  const [program = '', ...args] = call.argv
  const running = execa(program, args, {
    env: { ...guestEnvironment(process.env), ...call.environment },
    extendEnv: false,
    encoding: 'buffer',
    buffer: { stdout: false, stderr: true },
    reject: false,
    timeout: call.timeoutMs,
    killSignal: 'SIGKILL',
    maxBuffer: call.maxOutputBytes,
    cwd: '/',
  })
  const feeding = feed(running.stdin, input)
  let isWhole = false
  try {
    if (running.stdout !== null)
      for await (const chunk of running.stdout as AsyncIterable<Uint8Array>) yield chunk
    isWhole = true
  } finally {
    if (!isWhole) running.kill('SIGKILL')
    running.stdin.destroy()
    await feeding
    await running
  }
  const result = await running
  if (result.exitCode === 0) return
  if (result.timedOut) throw new UnpackError(`${program} did not end within ${call.timeoutMs / 1000} s`)
  // setpriv(1) ends with 127 where the program is not there, as a shell does.
  if (result.code === 'ENOENT' || result.exitCode === 127)
    onMissing(args.findLast((arg) => arg.startsWith('/')) ?? program)
  const said = Buffer.from(result.stderr ?? [])
    .toString('utf8')
    .trim()
  throw new UnpackError(said || result.shortMessage || `${program} ended with ${result.exitCode}`)
}

/** With back-pressure; a program that reads no more is no error here, its exit code tells. */
async function feed(stdin: Writable, input: AsyncIterable<Uint8Array>): Promise<void> {
  let isClosed = false
  const closed = new Promise<void>((resolve) => {
    const finish = (): void => {
      isClosed = true
      resolve()
    }
    stdin.once('close', finish).on('error', finish)
  })
  for await (const chunk of input) {
    if (isClosed) break
    if (!stdin.write(chunk))
      await Promise.race([new Promise((resolve) => stdin.once('drain', resolve)), closed])
  }
  if (!isClosed) stdin.end()
}
