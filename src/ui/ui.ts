/** A line of output: its text is made harmless and cut to nothing, its style is ours. */
export type Line = {
  readonly text: string
  readonly style?: 'bold' | 'dim' | 'good' | 'warn' | 'bad' | undefined
  /** Where its later lines begin, in columns, if it is broken; without it below its first word. */
  readonly hang?: number
  /** Left out where a screen would not fit with it. */
  readonly isSpare?: true
}

/** What is to be seen as a whole, at one moment: it clears a terminal, fits on it and waits (screen.ts). */
export type Screen = {
  readonly title: Line
  readonly body: readonly Line[]
  /** What Enter is pressed for; null: nothing is waited for, as where a question stands below or the run ends. */
  readonly enter: string | null
  /** Lines that come below it before anybody looks: one for the cursor, where nothing else is said. */
  readonly below?: number
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
  /** Stands above the question, on the same screen. */
  readonly screen?: Screen
  /** The rest, where the key `?` is pressed. */
  readonly more?: Screen
}

/** What a question may use on the terminal. */
export type Look = {
  readonly color: boolean
  readonly ascii: boolean
  /** It cannot move its cursor (TERM=dumb). */
  readonly isDumb?: boolean
}

/** What the program says and asks. Three makers: terminal, quiet (--json), scripted (tests). */
export type Ui = {
  /** --details: all is printed. */
  readonly isDetailed: boolean
  say(lines: readonly Line[]): void
  /** Shows a screen, and waits where somebody sits before it. @throws Interrupted on Ctrl-C and end of input */
  show(screen: Screen): Promise<void>
  /** A word on what is being done, shown while it takes longer than a moment. */
  progress<T>(label: string, work: () => Promise<T>): Promise<T>
  /** @throws Failure `question-needs-terminal`; Interrupted on Ctrl-C and end of input */
  ask<V extends string>(question: Question<V>): Promise<V>
  /** A password that only a person can give, typed unseen; null where nobody can be asked, as with --yes. */
  askSecret?(message: string): Promise<Uint8Array | null>
}

/** `?` was pressed where a question has more to say. */
export class AskedForMore extends Error {
  constructor() {
    super('asked for more')
    this.name = 'AskedForMore'
  }
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
