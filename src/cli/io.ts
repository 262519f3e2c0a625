import type { Look, Question } from '../ui/ui.ts'

/** The process as the program sees it; tests bring their own. */
export type Io = {
  readonly stdout: (text: string) => void
  readonly stderr: (text: string) => void
  readonly stdinIsTerminal: boolean
  readonly stdoutIsTerminal: boolean
  readonly columns: number
  /** The size of the terminal as it is now; it may have changed since the start. */
  readonly size?: () => { readonly columns: number; readonly rows: number }
  /** Width of standard error; null: a line stays whole. */
  readonly errorColumns?: number | null
  readonly environment: Readonly<Record<string, string | undefined>>
  readonly uid: number
  /** This process and the one that started it; a caller that brings none was not started by systemd. */
  readonly process?: { readonly pid: number; readonly parentPid: number }
  readonly askTerminal: <V extends string>(question: Question<V>, look: Look) => Promise<V>
  /** Waits for Enter below a screen. */
  readonly waitForEnter?: (message: string, look: Look) => Promise<void>
  /** Asks for a password, unseen. */
  readonly askSecret?: (message: string, look: Look) => Promise<Uint8Array>
  /** Runs this program once more as root with the same arguments. @returns its exit code */
  readonly runAsRoot: (argv: readonly string[]) => Promise<{ exit: number } | { failed: string }>
  /** A new UUID. */
  readonly makeId: () => string
}

/** Options that stand before or after every command. */
export type GlobalOptions = {
  readonly json: boolean
  readonly machine: string | null
  readonly stateDir: string | null
  readonly yes: boolean
  readonly color: boolean
  readonly ascii: boolean
  readonly verbose: boolean
  /** All is printed, in place of one line for what is good. */
  readonly details: boolean
}
