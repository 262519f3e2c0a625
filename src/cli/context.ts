import type { Answer, OutputName } from '../contract/schemas.ts'
import { renderJson, sanitizeLine } from '../core/harmless-text.ts'
import type { Host } from '../host/host.ts'
import { makeFailure } from '../tables/failures.ts'
import { DEFAULT_STATE_DIR } from '../tables/paths.ts'
import { makeQuietUi, makeTerminalUi } from '../ui/terminal.ts'
import type { Look, Question, Ui } from '../ui/ui.ts'
import type { GlobalOptions, Io } from './io.ts'

export function stateDirOf(options: GlobalOptions): string {
  return options.stateDir ?? DEFAULT_STATE_DIR
}

/** The machine that the options name: recorded, or the real one. */
export async function makeHost(io: Io, options: GlobalOptions): Promise<Host> {
  const host = await openHost(options)
  return options.verbose ? tellPrograms(host, io) : host
}

/** --verbose: what is run, as it is run; the secrets that go by standard input are not part of it. */
export function tellPrograms(host: Host, io: Io): Host {
  return {
    ...host,
    async run(call, input) {
      io.stderr(`run: ${sanitizeLine(call.argv.join(' '))}\n`)
      return host.run(call, input)
    },
  }
}

async function openHost(options: GlobalOptions): Promise<Host> {
  if (options.machine !== null) {
    const { makeRecordedHost } = await import('../host/recorded.ts')
    return makeRecordedHost(options.machine, options.stateDir)
  }
  const { makeRealHost } = await import('../host/real.ts')
  return makeRealHost({ stateDir: stateDirOf(options), userDirectories: [] })
}

/** Can questions be put to a person? */
export function isInteractive(io: Io, options: GlobalOptions): boolean {
  return io.stdinIsTerminal && io.stdoutIsTerminal && !options.json
}

export function makeUi(io: Io, options: GlobalOptions): Ui {
  const isDumb = io.environment.TERM === 'dumb'
  const look: Look = {
    color: options.color && io.stdoutIsTerminal && !io.environment.NO_COLOR && !isDumb,
    ascii: options.ascii,
    isDumb,
  }
  const askTerminal = async <V extends string>(question: Question<V>): Promise<V> => {
    if (!isInteractive(io, options)) throw makeFailure('question-needs-terminal', { options: '' })
    return io.askTerminal(question, look)
  }
  if (options.json) return makeQuietUi({ yes: options.yes, askTerminal })
  const { askSecret: secret, waitForEnter: wait } = io
  return makeTerminalUi({
    write: io.stdout,
    ...look,
    isTerminal: io.stdoutIsTerminal,
    columns: io.columns,
    isDetailed: options.details,
    ...(io.size ? { size: io.size } : {}),
    clears: !isDumb,
    waitForEnter: wait && isInteractive(io, options) ? (message) => wait(message, look) : undefined,
    askTerminal,
    askSecret: secret && isInteractive(io, options) ? (message) => secret(message, look) : undefined,
    yes: options.yes,
  })
}

/** Will a question get an answer: by a person, or by --yes? */
export function canAsk(io: Io, options: GlobalOptions): boolean {
  return options.yes || isInteractive(io, options)
}

/**
 * @param isRefusal --yes answers no to what this command asks: then it is not offered
 * @throws Failure (exit 2) before anything runs, when questions would come up and nobody could answer
 */
export function assertAnswerable(io: Io, options: GlobalOptions, missing: string, isRefusal = false): void {
  if (canAsk(io, options)) return
  throw makeFailure('question-needs-terminal', {
    options: missing,
    ...(isRefusal ? { isRefusal: 'yes' } : {}),
  })
}

/** Prints an answer of the contract. @param _name of its schema, which the compiler holds the value to */
export function printJson<N extends OutputName>(io: Io, _name: N, value: Answer<N>): void {
  io.stdout(renderJson(value))
}

/** The machine that the program runs on, for files the user named: bulletins and keys are never part of a recording. */
export async function makeFileHost(
  options: GlobalOptions,
  userDirectories: readonly string[],
): Promise<Host> {
  const { makeRealHost } = await import('../host/real.ts')
  return makeRealHost({ stateDir: stateDirOf(options), userDirectories })
}
