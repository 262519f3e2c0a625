/** Exit codes of the program (docs/contract.md). */
export const EXIT = {
  done: 0,
  attention: 1,
  usage: 2,
  waitingForRestart: 3,
  unexplained: 4,
  internal: 70,
  interrupted: 130,
} as const

/** What each says, for the documents. */
export const EXIT_MEANINGS: Readonly<Record<keyof typeof EXIT, string>> = {
  done: 'done',
  attention: 'refused, failed, or needs attention',
  usage: 'wrong usage, or a question that nobody can answer',
  waitingForRestart: 'waiting for a restart',
  unexplained: 'unexplained change',
  internal: 'a defect in aem-reseal',
  interrupted: 'interrupted; the state is kept',
}

export type ExitCode = (typeof EXIT)[keyof typeof EXIT]

export type FailureText = {
  /** Stable identifier in kebab-case, for scripts. */
  readonly code: string
  /** What happened, with the actual value. */
  readonly what: string
  /** The cause, where it is known. */
  readonly why: string | null
  /** The exact command or act that helps. */
  readonly next: string
  /** The failing tool's own words, verbatim. */
  readonly verbatim?: string
}

/** The only error the program throws on purpose: it always carries the next step. */
export class Failure extends Error {
  readonly text: FailureText
  readonly exit: ExitCode

  constructor(text: FailureText, exit: ExitCode = EXIT.attention) {
    super(text.what)
    this.name = 'Failure'
    this.text = text
    this.exit = exit
  }
}

/** For `catch`, where what cannot be read counts as absent. @throws any error that is no Failure */
export function ignoreFailure(error: unknown): null {
  if (error instanceof Failure) return null
  throw error
}

type Params = Readonly<Record<string, string>>

/** A row of a table of failures: its exit code, where it is not 1, and its words. */
export type FailureRow = { readonly exit?: ExitCode; text(params: Params): Omit<FailureText, 'code'> }

/** The maker of the failures of a table; there is no other. @returns a function of code, parameters and the tool's own words */
export function failureMaker<C extends string>(table: Readonly<Record<C, FailureRow>>) {
  return (code: C, params: Params = {}, verbatim?: string): Failure => {
    const { text, exit = EXIT.attention } = table[code]
    return new Failure({ code, ...text(params), ...(verbatim ? { verbatim } : {}) }, exit)
  }
}
