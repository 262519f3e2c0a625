import { type IPty, spawn } from '@lydell/node-pty'
import xterm from '@xterm/headless'
import { onTestFinished } from 'vitest'
import { DIST } from './built.ts'

export type Terminal = {
  /** Everything that came out, bytes as they were. */
  readonly raw: () => string
  /** What a person sees, the lines that scrolled away too. */
  readonly screen: () => Promise<readonly string[]>
  /** What a photograph of the screen shows. */
  readonly view: () => Promise<readonly string[]>
  /** Resolves when the screen shows it after what was waited for before. */
  readonly waitFor: (text: string) => Promise<void>
  readonly type: (keys: string) => void
  readonly signal: (name: NodeJS.Signals) => void
  readonly exit: Promise<number>
}

export const ENTER = '\r'
export const DOWN = '\u001b[B'
export const CTRL_C = '\u0003'
export const CTRL_D = '\u0004'
export const CTRL_U = '\u0015'

const COLUMNS = 80
const ROWS = 40

/** The built program in a real pseudo-terminal. */
export function openTerminal(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
  rows = ROWS,
  columns = COLUMNS,
): Terminal {
  return openPty(process.execPath, [DIST, ...args], env, rows, columns)
}

/** Any program in a pseudo-terminal. */
export function openPty(
  program: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
  rows = ROWS,
  columns = COLUMNS,
): Terminal {
  const pty: IPty = spawn(program, [...args], {
    // The name becomes TERM (node-pty 1.1, unixTerminal.ts).
    name: env.TERM ?? 'xterm-256color',
    cols: columns,
    rows,
    cwd: '/',
    env: {
      PATH: '/usr/sbin:/usr/bin:/sbin:/bin',
      LC_ALL: 'C.UTF-8',
      HOME: '/root',
      TERM: 'xterm-256color',
      ...env,
    },
  })
  const screen = new xterm.Terminal({ cols: columns, rows, scrollback: 5000, allowProposedApi: true })
  let raw = ''
  let seen = 0
  const waiting: (() => void)[] = []
  const wake = (): void => {
    for (const check of waiting.splice(0)) check()
  }
  pty.onData((data) => {
    raw += data
    screen.write(data)
    wake()
  })
  let isOver = false
  const exit = new Promise<number>((resolve) => {
    pty.onExit(({ exitCode, signal }) => {
      isOver = true
      wake()
      resolve(signal ? 128 + signal : exitCode)
    })
  })
  onTestFinished(() => {
    if (!isOver) pty.kill('SIGKILL')
  })
  const readLines = (): Promise<readonly string[]> =>
    new Promise((resolve) => {
      screen.write('', () => {
        const { active } = screen.buffer
        const lines = Array.from({ length: active.length }, (_, row) =>
          active.getLine(row)?.translateToString(true),
        )
        resolve(lines.map((text) => text ?? ''))
      })
    })
  const plain = (): string => raw.replaceAll(/\u001b\[[0-9;?]*[A-Za-z]/g, '')
  return {
    raw: () => raw,
    screen: readLines,
    view: async () => (await readLines()).slice(-rows),
    waitFor: (text) =>
      new Promise((resolve, reject) => {
        const check = (): void => {
          const at = plain().indexOf(text, seen)
          if (at !== -1) {
            seen = at + text.length
            resolve()
          } else if (isOver)
            reject(new Error(`the program ended before it said ${JSON.stringify(text)}:\n${plain()}`))
          else waiting.push(check)
        }
        check()
      }),
    type: (keys) => pty.write(keys),
    signal: (name) => pty.kill(name),
    exit,
  }
}
