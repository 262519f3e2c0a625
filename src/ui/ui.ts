/** A line of output: its text is made harmless and cut to nothing, its style is ours. */
export type Line = {
  readonly text: string
  readonly style?: 'bold' | 'dim' | 'good' | 'warn' | 'bad' | undefined
  /** Where its later lines begin, in columns, if it is broken; without it below its first word. */
  readonly hang?: number
}

export type Choice<V extends string> = {
  readonly value: V
  readonly label: string
  readonly hint?: string | undefined
  /** What stays on the line of the question once it is answered, where the label is long. */
  readonly short?: string | undefined
}

export type Question<V extends string> = {
  /** Stable id, the same in documents and tests. */
  readonly id: string
  readonly message: string
  readonly choices: readonly Choice<V>[]
  /** The safe answer: what Enter takes. */
  readonly default: V
  /** What --yes takes. */
  readonly withYes: V
}

/** What a question may use on the terminal. */
export type Look = { readonly color: boolean; readonly ascii: boolean }

/** What the program says and asks. Three makers: terminal, quiet (--json), scripted (tests). */
export type Ui = {
  say(lines: readonly Line[]): void
  /** A word on what is being done, shown while it takes longer than a moment. */
  progress<T>(label: string, work: () => Promise<T>): Promise<T>
  /** @throws Failure `question-needs-terminal`; Interrupted on Ctrl-C and end of input */
  ask<V extends string>(question: Question<V>): Promise<V>
  /** A password that only a person can give, typed unseen; null where nobody can be asked, as with --yes. */
  askSecret?(message: string): Promise<Uint8Array | null>
}

/** Ctrl-C, SIGTERM, SIGHUP or the end of input: the state is kept. */
export class Interrupted extends Error {
  constructor() {
    super('interrupted')
    this.name = 'Interrupted'
  }
}

export function line(text: string, style?: Line['style']): Line {
  return { text, style }
}
