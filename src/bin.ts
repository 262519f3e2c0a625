import { randomUUID } from 'node:crypto'
import type { Io } from './cli/io.ts'
import { EXIT } from './core/failure.ts'
import { main, type Running } from './main.ts'

process.umask(0o077)

const running: Running = { host: null }

const io: Io = {
  stdout: (text) => void process.stdout.write(text),
  stderr: (text) => void process.stderr.write(text),
  // Looked at where it is asked: Node makes a stream of it first.
  get stdinIsTerminal() {
    return process.stdin.isTTY === true
  },
  stdoutIsTerminal: process.stdout.isTTY === true,
  // A serial console, or a terminal that `script` opened, has a width of 0.
  columns: process.stdout.columns || 80,
  size: () => ({ columns: process.stdout.columns || 80, rows: process.stdout.rows || 24 }),
  errorColumns: process.stderr.isTTY ? process.stderr.columns || 80 : null,
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
