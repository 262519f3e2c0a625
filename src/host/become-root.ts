import { COMMANDS } from '../tables/commands.ts'
import { guestEnvironment } from './environment.ts'
import { execa } from './execa.ts'

/** What sudo itself says when it refuses (sudo 1.9); everything else on standard error is the program's own. */
const SUDO_SAYS = /^sudo: .*$/m

/**
 * Runs this program once more as root, on the same terminal.
 * @param argv the arguments as they were given
 */
export async function becomeRoot(argv: readonly string[]): Promise<{ exit: number } | { failed: string }> {
  const own = process.argv[1]
  if (own === undefined) return { failed: 'the path of this program is not known' }
  if (process.env.SUDO_UID !== undefined) return { failed: 'sudo ran it, but not as root' }
  const { program, args } = COMMANDS['become-root']
  const fixed = args.filter((arg) => arg.startsWith('-'))
  const environment = { ...guestEnvironment(process.env), ...terminalEnvironment(process.env) }
  // A refusal must be told from the program's own exit codes, so sudo is asked first whether it would.
  const may = await execa(program, [...fixed.slice(0, 1), '-v'], {
    env: environment,
    extendEnv: false,
    reject: false,
    stdin: 'ignore',
  })
  if (may.code === 'ENOENT') return { failed: `${program} is not installed` }
  if (may.exitCode !== 0) return { failed: SUDO_SAYS.exec(may.stderr)?.[0] ?? `exit ${may.exitCode}` }
  const run = await execa(program, [...fixed, process.execPath, own, ...argv], {
    env: environment,
    extendEnv: false,
    stdio: 'inherit',
    reject: false,
  })
  return run.exitCode === undefined
    ? { failed: run.shortMessage ?? 'it was ended by a signal' }
    : { exit: run.exitCode }
}

function terminalEnvironment(own: Readonly<Record<string, string | undefined>>): Record<string, string> {
  const kept: Record<string, string> = {}
  for (const name of ['TERM', 'NO_COLOR'] as const) if (own[name]) kept[name] = own[name]
  return kept
}
