import type { Host } from '../host/host.ts'
import type { GlobalOptions, Io } from './io.ts'

/** Where the values of an argument or option come from, for the shells' completions and the documents. */
export type Values =
  | 'bulletins'
  | 'devices'
  | 'flows'
  | 'reports'
  | 'scenarios'
  | 'topics'
  | 'files'
  | readonly string[]

export type Argument = {
  /** In capitals, as the documents print it. */
  readonly name: string
  readonly isRequired: boolean
  readonly isMany?: true
  readonly values?: Values
}

export type Option = {
  /** With its dashes. */
  readonly flag: string
  /** Name of its value in capitals; without one it is a switch. */
  readonly value?: string
  readonly isMany?: true
  readonly isRequired?: true
  readonly values?: Values
  /** One line. */
  readonly help: string
  /** Further sentences, for the manual page. */
  readonly more?: string
  /** It changes how an answer is printed, and nothing else. */
  readonly isAboutOutput?: true
}

/** The texts of `--help`, for a verb that prints them itself: the table of verbs cannot import what is made of it. */
export type HelpTexts = {
  readonly verbs: readonly Verb[]
  readonly renderList: (topics: readonly { readonly name: string; readonly help: string }[]) => string
  readonly renderVerb: (verb: Verb, namesTopics: boolean) => string
}

/** What a verb is run with. */
export type Call = {
  readonly io: Io
  readonly options: GlobalOptions
  readonly args: readonly string[]
  /** Value of an own option, by its name without dashes; null: not given. */
  readonly textOf: (option: string) => string | null
  readonly listOf: (option: string) => readonly string[]
  readonly isSet: (option: string) => boolean
  readonly help: HelpTexts
  /** Opens the machine that the options name; it is closed when the run ends. */
  readonly open: () => Promise<Host>
  /** Runs the same command line as root. @returns its exit code. @throws Failure sudo-failed */
  readonly rerunAsRoot: () => Promise<number>
}

export type Verb = {
  /** The words after the program's name. Words behind a first one are acts of that one, which has a row of its own. */
  readonly name: string
  readonly argument?: Argument
  readonly options?: readonly Option[]
  /** `own`: the verb itself decides when it runs once more as root. */
  readonly root: 'needed' | 'not-needed' | 'own'
  /** One line: `--help`, the contract and the manual page. */
  readonly help: string
  /** Further sentences, for `VERB --help` and the manual page; code between back quotes. */
  readonly more?: string
  /** Topics of `aem-reseal help` that say more. */
  readonly topics?: readonly string[]
  /** The contract marks it as a choice that could have been made otherwise. */
  readonly isChoice?: true
  /** What a run that was killed left is undone first. */
  readonly clearsLeftovers?: true
  /** What is said instead of the parser's words where too many or too few arguments are given. */
  readonly wrongArguments?: string
  /** Loads the code of the verb when it is run; null: the words name a group of acts and are no command by themselves. */
  readonly run: ((call: Call) => Promise<number>) | null
}
