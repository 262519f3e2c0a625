import { spawn } from '@lydell/node-pty'
import xterm from '@xterm/headless'

/** A program in a pseudo-terminal, with what a person would see of it. */
export interface TerminalSession {
  /** The screen as lines, trailing blanks removed. */
  screen: () => string
  /** Everything ever written, escape sequences included. */
  raw: () => string
  /** Waits until the screen (or, scrolled away, the raw text) shows this. @throws Error with the screen when it does not */
  waitFor: (what: string | RegExp, timeoutMs?: number) => Promise<void>
  type: (keys: string) => void
  kill: (signal?: NodeJS.Signals) => void
  /** Exit code, once all that was written is on the screen; -1 after a signal. */
  finished: Promise<number>
}

export const ENTER = '\r'
export const ARROW_DOWN = '\u001b[B'
export const ARROW_UP = '\u001b[A'
export const CTRL_C = '\u0003'

/** Takes the photograph that `start` waits for. */
export async function photograph(terminal: TerminalSession): Promise<void> {
  await terminal.waitFor('Enter when photographed', 120_000)
  terminal.type(ENTER)
}

export function openTerminal(
  argv: readonly string[],
  env: Record<string, string>,
  size: { columns: number; rows: number } = { columns: 80, rows: 24 },
): TerminalSession {
  const [program, ...args] = argv
  const pty = spawn(program as string, args, {
    cols: size.columns,
    rows: size.rows,
    env,
    name: 'xterm-256color',
  })
  const terminal = new xterm.Terminal({
    cols: size.columns,
    rows: size.rows,
    scrollback: 5000,
    allowProposedApi: true,
  })
  let raw = ''
  let running = true
  let shown: Promise<void> = Promise.resolve()
  pty.onData((data) => {
    raw += data
    shown = new Promise((resolve) => terminal.write(data, resolve))
  })
  terminal.onData((answer) => pty.write(answer)) // replies of the terminal itself, e.g. cursor position
  const finished = new Promise<number>((resolve) => {
    pty.onExit(async ({ exitCode, signal }) => {
      // The end is told before the last output is read.
      for (let seen = -1; seen < raw.length; ) {
        seen = raw.length
        await new Promise((pause) => setTimeout(pause, 100))
      }
      await shown
      running = false
      resolve(signal ? -1 : exitCode)
    })
  })
  const screen = (): string => {
    const buffer = terminal.buffer.active
    const lines: string[] = []
    for (let row = 0; row < buffer.length; row++)
      lines.push(buffer.getLine(row)?.translateToString(true) ?? '')
    return lines.join('\n').trimEnd()
  }
  const shows = (what: string | RegExp): boolean =>
    typeof what === 'string' ? screen().includes(what) : what.test(screen())
  return {
    screen,
    raw: () => raw,
    type: (keys) => pty.write(keys),
    kill: (signal = 'SIGKILL') => pty.kill(signal),
    finished,
    waitFor: async (what, timeoutMs = 30_000) => {
      const end = Date.now() + timeoutMs
      while (!shows(what)) {
        // the last output may still be on its way through the terminal when the program has ended
        if (Date.now() > end || (!running && !(await settles(() => shows(what)))))
          throw new Error(`the terminal does not show ${what}; it shows:\n${screen()}`)
        await new Promise((resolve) => setTimeout(resolve, 20))
      }
    },
  }
}

async function settles(condition: () => boolean): Promise<boolean> {
  for (let n = 0; n < 10 && !condition(); n++) await new Promise((resolve) => setTimeout(resolve, 20))
  return condition()
}
