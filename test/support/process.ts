import { type SpawnOptions, spawn } from 'node:child_process'

export type Ended = {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: Buffer
  readonly stderr: string
}

/** Runs a program to its end; standard input is empty unless given. */
export function runToEnd(
  program: string,
  args: readonly string[],
  options: SpawnOptions & { readonly stdin?: string } = {},
): Promise<Ended> {
  const { stdin, ...spawnOptions } = options
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { ...spawnOptions, stdio: ['pipe', 'pipe', 'pipe'] })
    const stdout: Buffer[] = []
    const stderr: Buffer[] = []
    child.stdout?.on('data', (chunk: Buffer) => stdout.push(chunk))
    child.stderr?.on('data', (chunk: Buffer) => stderr.push(chunk))
    child.on('error', reject)
    child.on('close', (code, signal) =>
      resolve({
        code,
        signal,
        stdout: Buffer.concat(stdout),
        stderr: Buffer.concat(stderr).toString('utf8'),
      }),
    )
    child.stdin?.on('error', () => undefined)
    child.stdin?.end(stdin ?? '')
  })
}

/**
 * What a tool of the system prints.
 * @throws when it is not installed, with how to install it: a missing real part fails a test, it skips none
 */
export async function runTool(
  program: string,
  args: readonly string[],
  debianPackage: string,
  environment: Readonly<Record<string, string>> = {},
): Promise<string> {
  const ended = await runToEnd(program, args, {
    env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C', ...environment },
  }).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw error
    throw new Error(`${program} is missing: apt-get install ${debianPackage}`)
  })
  if (ended.code !== 0) throw new Error(`${program} ${args.join(' ')}: exit ${ended.code}: ${ended.stderr}`)
  return ended.stdout.toString('utf8')
}
