import type { Host } from '../../src/host/host.ts'
import type { Question } from '../../src/ui/ui.ts'
import { type RunOptions, runMain } from './io.ts'

/* The commands as they are typed, on a host, with what they print. */

export type Typed = {
  readonly exit: number
  /** All that was printed, in one line. */
  readonly said: string
  readonly asked: readonly string[]
}

type Answers = Readonly<Record<string, string>> | null

/** A person who answers by question id, and the rest as --yes would; `asked` gets the ids. */
export function personAt(answers: Readonly<Record<string, string>>, asked: string[] = []): RunOptions {
  return {
    stdinIsTerminal: true,
    stdoutIsTerminal: true,
    async askTerminal<V extends string>(question: Question<V>): Promise<V> {
      asked.push(question.id)
      const wanted = answers[question.id] ?? question.withYes
      const choice = question.choices.find(({ value }) => value === wanted)
      if (!choice) throw new Error(`no answer to ${question.id}`)
      return choice.value
    },
  }
}

/** @param answers by question id; null: nobody is there, and --yes is given */
export async function type(words: readonly string[], host: Host, answers: Answers = null): Promise<Typed> {
  const asked: string[] = []
  const person = answers === null ? {} : personAt(answers, asked)
  const argv = [...words, '--no-color', ...(answers === null ? ['--yes'] : [])]
  const run = await runMain(argv, { ...person, host, columns: 200 })
  return { exit: run.exit, said: `${run.stdout}${run.stderr}`.replaceAll(/\s+/g, ' '), asked }
}

/** Prints JSON, as a script reads it. */
export async function typeJson<T>(
  words: readonly string[],
  host: Host,
): Promise<{ readonly exit: number; readonly answer: T }> {
  const { exit, json } = await runMain([...words, '--json', '--yes'], { host })
  return { exit, answer: json as T }
}

export const typeStart = (host: Host, protect: string | null, answers: Answers = null) =>
  type(['start', '--restart', 'manual', ...(protect === null ? [] : ['--protect', protect])], host, answers)

export const typeResume = (host: Host, answers: Answers = null) => type(['resume'], host, answers)

export const typeCancel = (host: Host) => type(['cancel'], host)
