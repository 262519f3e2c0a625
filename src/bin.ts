import { randomUUID } from 'node:crypto'
import type { Io } from './cli/io.ts'
import { EXIT } from './core/failure.ts'
import { main, type Running } from './main.ts'

process.umask(0o077)

const running: Running = { host: null }

/** Longer lines are hard to read, however wide the terminal is. */
const MAX_COLUMNS = 100

/** Of a terminal; a file and a pipe get lines of 80, and so does a serial console, which has a width of 0. */
function widthOf(stream: { readonly columns?: number }): number {
  return Math.min(stream.columns || 80, MAX_COLUMNS)
}

const io: Io = {
  stdout: (text) => void process.stdout.write(text),
  stderr: (text) => void process.stderr.write(text),
  // Looked at where it is asked: Node makes a stream of it first.
  get stdinIsTerminal() {
    return process.stdin.isTTY === true
  },
  stdoutIsTerminal: process.stdout.isTTY === true,
  columns: widthOf(process.stdout),
  size: () => ({ columns: widthOf(process.stdout), rows: process.stdout.rows || 24 }),
  errorColumns: widthOf(process.stderr),
  environment: process.env,
  uid: process.getuid?.() ?? -1,
  process: { pid: process.pid, parentPid: process.ppid },
  askTerminal: async (question, look) => (await import('./host/ask.ts')).askTerminal(question, look),
  waitForEnter: async (message, look) => (await import('./host/ask.ts')).waitForEnter(message, look),
  askSecret: async (message, look) => (await import('./host/ask.ts')).askSecret(message, look),
  runAsRoot: async (argv) => (await import('./host/become-root.ts')).becomeRoot(argv),
  makeId: () => randomUUID(),
}

/** Ends as cleanly as Ctrl-C: a running seal comes to its end, mounts are undone, the state is on disk already. */
function endInterrupted(): void {
  const end = (): never => process.exit(EXIT.interrupted)
  void (running.host?.close() ?? Promise.resolve()).then(end, end)
}

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, endInterrupted)
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') endInterrupted()
    else process.exit(EXIT.attention)
  })
}

// No await here: without the name .mjs, or a package.json beside it, Node before 20.19 takes the file for CommonJS.
void main(process.argv.slice(2), io, running).then((exit) => {
  // Prompts leave standard input open; what was printed is flushed first.
  process.stdout.write('', () => process.exit(exit))
})
