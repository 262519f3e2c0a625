import type { Io } from '../../src/cli/io.ts'
import type { Host } from '../../src/host/host.ts'
import type { Question } from '../../src/ui/ui.ts'
import { parseAnswer } from './answers.ts'

// What the build puts in (tools/build.mjs).
Object.assign(globalThis, { AEM_RESEAL_VERSION: '0.0.0-test' })

export type Run = {
  readonly exit: number
  readonly stdout: string
  readonly stderr: string
  readonly json: unknown
}

export type RunOptions = Partial<Io> & {
  /** By question id. */
  readonly answers?: Readonly<Record<string, string>>
  /** The machine, in place of the real one or of the one that --machine names. */
  readonly host?: Host
  /** As it is printed without --details; most tests read all that was looked at. */
  readonly isCompact?: boolean
}

/** Runs one command line in this process; without answers a question is an error. */
export async function runMain(argv: readonly string[], options: RunOptions = {}): Promise<Run> {
  const { main } = await import('../../src/main.ts')
  const { answers = {}, host, isCompact = false, ...own } = options
  let stdout = ''
  let stderr = ''
  const io: Io = {
    stdout: (text) => {
      stdout += text
    },
    stderr: (text) => {
      stderr += text
    },
    stdinIsTerminal: false,
    stdoutIsTerminal: false,
    // Words are looked for in whole lines; a terminal is one of 80 columns.
    columns: own.stdoutIsTerminal ? 80 : 1000,
    environment: {},
    uid: 0,
    async askTerminal<V extends string>(question: Question<V>): Promise<V> {
      const choice = question.choices.find(({ value }) => value === answers[question.id])
      if (!choice) throw new Error(`the story has no answer to ${question.id}`)
      return choice.value
    },
    runAsRoot: async () => {
      throw new Error('the story becomes no root')
    },
    makeId: () => '3f0d4a52-6f4b-4f8a-9d0e-0c1a2b3c4d5e',
    ...own,
  }
  const exit = await main(
    isCompact ? argv : ['--details', ...argv],
    io,
    undefined,
    host && (async () => host),
  )
  return { exit, stdout, stderr, json: parseAnswer(argv, stdout) }
}
