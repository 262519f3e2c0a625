import { connect, type Socket } from 'node:net'
import { poll } from './child.ts'

/*
 * Commands in the guest, over the virtio port `lab.port`. The console will not do: its input loses characters.
 * The guest says `lab-ready BOOT_ID` when its system is up, then answers one line of JSON for each one it gets.
 */

export type GuestResult = { readonly exit: number; readonly stdout: string; readonly stderr: string }

export type GuestOptions = {
  readonly stdin?: string
  readonly env?: Readonly<Record<string, string>>
  readonly timeoutS?: number
}

export type Agent = {
  /** Boot id of the guest once its system is up; null before. @throws Error when the machine is off */
  readonly bootId: () => string | null
  readonly run: (argv: readonly string[], options?: GuestOptions) => Promise<GuestResult>
  readonly close: () => void
}

const COMMAND_S = 300
const CONNECT_S = 30

async function open(file: string): Promise<Socket> {
  return poll(CONNECT_S, `the virtio port at ${file}`, () =>
    new Promise<Socket | null>((resolve) => {
      const socket = connect(file)
      socket.once('connect', () => resolve(socket))
      socket.once('error', () => resolve(null))
    }),
  ) // biome-ignore format: as it reads
}

type Answer = { id: number; exit: number; stdout: string; stderr: string }

/** Connects to QEMU's side of the port. */
export async function openAgent(file: string): Promise<Agent> {
  const socket = await open(file)
  let pending = ''
  let bootId: string | null = null
  let closed = false
  const answers = new Map<number, Answer>()
  socket.setEncoding('utf8')
  socket.on('error', () => {})
  socket.on('close', () => {
    closed = true
  })
  socket.on('data', (text: string) => {
    const lines = (pending + text).split('\n')
    pending = lines.pop() ?? ''
    for (const line of lines) {
      const ready = /^lab-ready (\S+)$/.exec(line)
      if (ready) bootId = ready[1] as string
      else if (line.startsWith('{')) {
        const answer = JSON.parse(line) as Answer
        answers.set(answer.id, answer)
      }
    }
  })
  const alive = (): void => {
    if (closed) throw new Error('the machine is off')
  }
  let lastId = 0
  const decode = (text: string): string => Buffer.from(text, 'base64').toString('utf8')
  return {
    bootId: () => {
      alive()
      return bootId
    },
    run: async (argv, options = {}) => {
      alive()
      const id = ++lastId
      const request = { id, argv, stdin: options.stdin ?? '', env: options.env ?? {} }
      socket.write(`${JSON.stringify(request)}\n`)
      const answer = await poll(options.timeoutS ?? COMMAND_S, `${argv.join(' ')} in the guest`, () => {
        const found = answers.get(id) ?? null
        if (!found) alive()
        return found
      })
      answers.delete(id)
      return { exit: answer.exit, stdout: decode(answer.stdout), stderr: decode(answer.stderr) }
    },
    close: () => {
      socket.destroy()
    },
  }
}
