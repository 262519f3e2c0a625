import type { GlobalOptions, Io } from '../../src/cli/io.ts'
import { runCancel, runResume, runStart } from '../../src/cli/session.ts'
import type { Host } from '../../src/host/host.ts'
import type { Question } from '../../src/ui/ui.ts'
import { SESSION_ID } from './built-in.ts'

/* The commands as they are typed, on a host, with what they print. */

export type Typed = {
  readonly exit: number
  /** All that was printed, in one line. */
  readonly said: string
  readonly asked: readonly string[]
}

const OPTIONS: GlobalOptions = {
  json: false,
  machine: null,
  stateDir: null,
  yes: false,
  color: false,
  ascii: false,
  verbose: false,
}

/** @param answers by question id; null: nobody is there, and --yes is given */
export async function type(
  run: (io: Io, options: GlobalOptions) => Promise<number>,
  answers: Readonly<Record<string, string>> | null = null,
): Promise<Typed> {
  const printed: string[] = []
  const asked: string[] = []
  const isThere = answers !== null
  const io: Io = {
    stdout: (text) => void printed.push(text),
    stderr: (text) => void printed.push(text),
    stdinIsTerminal: isThere,
    stdoutIsTerminal: isThere,
    columns: 200,
    environment: {},
    uid: 0,
    async askTerminal<V extends string>(question: Question<V>): Promise<V> {
      asked.push(question.id)
      const wanted = answers?.[question.id] ?? question.withYes
      const choice = question.choices.find(({ value }) => value === wanted)
      if (!choice) throw new Error(`no answer to ${question.id}`)
      return choice.value
    },
    runAsRoot: () => Promise.reject(new Error('the story becomes no root')),
    makeId: () => SESSION_ID,
  }
  const exit = await run(io, { ...OPTIONS, yes: !isThere })
  return { exit, said: printed.join('').replaceAll(/\s+/g, ' '), asked }
}

/** Prints JSON, as a script reads it. */
export async function typeJson<T>(
  run: (io: Io, options: GlobalOptions) => Promise<number>,
): Promise<{ readonly exit: number; readonly answer: T }> {
  const printed: string[] = []
  let exit = -1
  await type(async (io, options) => {
    exit = await run({ ...io, stdout: (text) => void printed.push(text) }, { ...options, json: true })
    return exit
  })
  return { exit, answer: JSON.parse(printed.join('')) as T }
}

export const typeStart = (host: Host, protect: string | null, answers: Parameters<typeof type>[1] = null) =>
  type(
    (io, options) => runStart(io, options, host, { bulletin: null, keys: [], protect, restart: 'manual' }),
    answers,
  )

export const typeResume = (host: Host, answers: Parameters<typeof type>[1] = null) =>
  type((io, options) => runResume(io, options, host), answers)

export const typeCancel = (host: Host) => type((io, options) => runCancel(io, options, host))
