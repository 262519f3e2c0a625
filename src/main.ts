import { renderHelpList, renderVerbHelp } from './cli/help.ts'
import type { GlobalOptions, Io } from './cli/io.ts'
import { type Given, helpOf, listNamed, makeProgram, textOf } from './cli/program.ts'
import { reportError } from './cli/report-error.ts'
import { VERBS } from './cli/verbs.ts'
import { EXIT, Failure } from './core/failure.ts'
import type { Host } from './host/host.ts'
import { makeFailure } from './tables/failures.ts'

export type Running = { host: Host | null }

/** Opens the machine that the options name. */
type OpenHost = (io: Io, options: GlobalOptions) => Promise<Host>

const openNamed: OpenHost = async (io, options) => (await import('./cli/context.ts')).makeHost(io, options)

/**
 * Runs one command line.
 *
 * @param argv arguments without the program's own name
 * @param running gets the host while one is open, so that a signal can close it
 * @param openHost opens the machine; tests bring one that is made up
 * @returns the exit code (docs/contract.md); every error is printed here
 */
export async function main(
  argv: readonly string[],
  io: Io,
  running: Running = { host: null },
  openHost: OpenHost = openNamed,
): Promise<number> {
  let exit: number = EXIT.done
  const run = async (given: Given): Promise<void> => {
    exit = await runVerb(given, argv, io, async () => {
      running.host = await openHost(io, given.options)
      return running.host
    })
  }
  const program = makeProgram(run, io.stdout, listNamed(argv))
  try {
    await program.parseAsync([...argv], { from: 'user' })
    return exit
  } catch (error) {
    return reportError(error, io, {
      isJson: argv.includes('--json'),
      isAscii: argv.includes('--ascii'),
      isRehearsal: program.args[0] === 'rehearse',
    })
  } finally {
    await running.host?.close()
    running.host = null
  }
}

async function runVerb(
  { verb, options, own, args }: Given,
  argv: readonly string[],
  io: Io,
  open: () => Promise<Host>,
): Promise<number> {
  if (verb.run === null) throw new Error(`${verb.name} is no command`)
  const rerunAsRoot = async (): Promise<number> => {
    const result = await io.runAsRoot(argv)
    if ('exit' in result) return result.exit
    throw makeFailure('sudo-failed', { command: ['aem-reseal', ...argv].join(' '), reason: result.failed })
  }
  // A recorded machine is anybody's.
  if (verb.root === 'needed' && options.machine === null && io.uid !== 0) return rerunAsRoot()
  const call = {
    io,
    options,
    args,
    textOf: (name: string) => textOf(own[name]),
    listOf: (name: string) => listOf(own[name]),
    isSet: (name: string) => own[name] === true,
    async open() {
      const host = await open()
      if (verb.clearsLeftovers) await host.clearLeftovers?.()
      return host
    },
    rerunAsRoot,
    help: { verbs: VERBS, renderList: renderHelpList, renderVerb: renderVerbHelp },
  }
  try {
    return await verb.run(call)
  } catch (error) {
    // What a verb finds wrong with its own words is explained by its own help.
    const isUsage = error instanceof Failure && error.text.code === 'usage'
    throw isUsage ? makeFailure('usage', { reason: error.text.what, help: helpOf(verb) }) : error
  }
}

function listOf(value: unknown): readonly string[] {
  return Array.isArray(value) ? value.filter((one): one is string => typeof one === 'string') : []
}
