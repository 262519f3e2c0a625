import { constants } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { rewriteAnswer, splitMessage } from '../core/seal/tpm12-relay.ts'
import type { CommandCall } from '../tables/commands.ts'
import { command } from '../tables/commands.ts'
import { makeFailure } from '../tables/failures.ts'
import { TPM_DEVICE } from '../tables/paths.ts'
import type { RunResult, Seen } from './host.ts'
import { startTcsd, type Traces } from './leftovers.ts'
import { findStrangeListener, isServicePeer } from './socket-owner.ts'

/*
 * tpm_sealdata binds to the registers as tcsd reports them; TPM 1.2 itself takes any digest (TPM_Seal,
 * digestAtRelease). So for the seconds of a forward seal a tcsd of ours gets its TPM from here: every command goes to
 * the device and back as it is, but for the digest in answers to TPM_PCRRead of the predicted registers. While the
 * system's tcsd is down any process could take its port and be given the key that a secret is encrypted with, and any could
 * talk to the TPM through the relay: who is at the other end is looked up in both cases.
 */

/** The address of trousers' own default for a TPM by TCP (tddl.c), loopback only; the row `tcsd-relayed` names it too. */
const RELAY = { host: '127.0.0.1', port: 6545 } as const
/** Where tpm-tools look for tcsd (trousers 0.3.15, TCSD_DEFAULT_PORT); the rows `tpm12-seal` name the address too. */
const TCSD = { host: '127.0.0.1', port: 30003 } as const
const START_TIMEOUT_MS = 15_000
const POLL_MS = 50
const READ_BYTES = 4096

type StartTcsd = (signal: AbortSignal) => Promise<Seen<RunResult>>
type Run = (call: CommandCall) => Promise<Seen<RunResult>>

export type PcrRelay = {
  /** @throws Failure when there will be none */
  readonly ready: Promise<void>
  /** Ends it, ready or not: ours is gone and the system's tcsd runs again. */
  close(): Promise<void>
}

/** Stops the system's tcsd and starts ours behind the relay. `close` undoes both, whatever happened. */
export function beginPcrRelay(
  values: Readonly<Record<number, string>>,
  startOwnTcsd: StartTcsd,
  run: Run,
  traces: Pick<Traces, 'note'>,
): PcrRelay {
  const ending = new AbortController()
  const sockets = new Set<Socket>()
  let device: FileHandle | null = null
  let server: Server | null = null
  let tcsd: Promise<Seen<RunResult>> | null = null
  let forget: (() => Promise<void>) | null = null
  const begin = async (): Promise<void> => {
    forget = await traces.note('tcsd-stopped')
    const stopped = await run(command('tcsd-stop', {}))
    if (stopped.state !== 'seen' || stopped.value.exit !== 0) throw relayFailure('tcsd did not stop')
    ending.signal.throwIfAborted()
    device = await open(TPM_DEVICE, constants.O_RDWR | constants.O_NOCTTY)
    server = await listen(device, values, sockets)
    tcsd = startOwnTcsd(ending.signal)
    await waitForTcsd(tcsd)
  }
  const ready = begin().catch((error: NodeJS.ErrnoException) => {
    throw error.code === undefined ? error : relayFailure(error.message)
  })
  const end = async (): Promise<void> => {
    ending.abort()
    await ready.catch(() => undefined)
    for (const socket of sockets) socket.destroy()
    await tcsd
    await new Promise<void>((resolve) => (server ? server.close(() => resolve()) : resolve()))
    await device?.close()
    // Where it does not start the note stays, and the next run tries again.
    if (await startTcsd(run)) await forget?.()
  }
  let closing: Promise<void> | null = null
  const close = (): Promise<void> => {
    closing ??= end()
    return closing
  }
  return { ready, close }
}

function relayFailure(reason: string, said?: string) {
  return makeFailure('forward-seal-failed', { what: `no relay to the TPM: ${reason}` }, said?.trim())
}

async function listen(
  device: FileHandle,
  values: Readonly<Record<number, string>>,
  sockets: Set<Socket>,
): Promise<Server> {
  const ask = makeAsk(device)
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
    socket.on('error', () => socket.destroy())
    serve(socket, ask, values).catch(() => socket.destroy())
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(RELAY, resolve)
  })
  return server
}

type Ask = (request: Buffer) => Promise<Buffer>

async function serve(socket: Socket, ask: Ask, values: Readonly<Record<number, string>>): Promise<void> {
  if (socket.remotePort === undefined || !(await isServicePeer(socket.remotePort, RELAY.port))) {
    socket.destroy()
    return
  }
  let pending = Buffer.alloc(0)
  for await (const chunk of socket) {
    pending = Buffer.concat([pending, chunk as Buffer])
    for (let split = splitMessage(pending); split !== null; split = splitMessage(pending)) {
      pending = Buffer.from(split.rest)
      const answer = await ask(split.message)
      socket.write(rewriteAnswer(split.message, answer, values))
    }
  }
}

/** tcsd opens several connections; the device takes one command at a time. */
function makeAsk(device: FileHandle): Ask {
  let last: Promise<unknown> = Promise.resolve()
  return (request) => {
    const answer = last.then(() => askDevice(device, request))
    last = answer.catch(() => undefined)
    return answer
  }
}

/** One command to the device, one whole answer: tpm0 gives it in one read, other devices in parts. */
async function askDevice(device: FileHandle, request: Buffer): Promise<Buffer> {
  await device.write(request)
  let answer = Buffer.alloc(0)
  for (;;) {
    const { bytesRead, buffer } = await device.read(Buffer.alloc(READ_BYTES), 0, READ_BYTES, null)
    if (bytesRead === 0) throw new RangeError('the TPM gave no whole answer')
    answer = Buffer.concat([answer, buffer.subarray(0, bytesRead)])
    const split = splitMessage(answer)
    if (split !== null) return split.message
  }
}

/** @throws Failure when tcsd ends, or does not listen in time */
async function waitForTcsd(tcsd: Promise<Seen<RunResult>>): Promise<void> {
  let ended: Seen<RunResult> | null = null
  void tcsd.then((result) => {
    ended = result
  })
  const until = Date.now() + START_TIMEOUT_MS
  while (ended === null && Date.now() < until) {
    if (await canConnect()) return assertOwnTcsd()
    await new Promise((resolve) => setTimeout(resolve, POLL_MS))
  }
  if (ended === null) throw relayFailure('tcsd did not listen in time')
  const { state, value } = (await tcsd) as { state: string; value?: RunResult }
  throw relayFailure('tcsd ended at once', value ? value.stdout + value.stderr : state)
}

async function assertOwnTcsd(): Promise<void> {
  const stranger = await findStrangeListener(TCSD.port)
  if (stranger === null) return
  const who = stranger === 'nobody' ? 'nobody' : `a program of user ${stranger}`
  throw relayFailure(
    `${who} listens at ${TCSD.host}:${TCSD.port} in the place of tcsd; end it, then \`systemctl restart tcsd\``,
  )
}

function canConnect(): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(TCSD)
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })
}
