import { spawn } from 'node:child_process'
import type { Holder } from './namespace.ts'
import { hostEnvironment } from './process.ts'

export type TpmVersion = '1.2' | '2.0'

/** Ports inside the stage's own network namespace; the TCTI expects the control port right after the data port. */
export const TPM_PORT = 2321
const CONTROL = `127.0.0.1:${TPM_PORT + 1}`

/** One digest for each bank that the launch extends. */
export interface Digests {
  sha1: Buffer
  sha256: Buffer
}

/** The software TPM of a stage. */
export interface Tpm {
  version: TpmVersion
  /** Power comes: volatile state is lost, then the firmware's TPM_Startup(CLEAR). */
  powerOn: () => Promise<void>
  /** What an operating system does before power goes; without it the TPM counts the session as a failed try. */
  shutDown: () => Promise<void>
  /** The launch instruction: PCR 17-22 to zero, then 17 extended with the hash of `data`; then extends from locality 2. */
  launch: (data: Buffer, extend: readonly { pcr: number; digests: Digests }[]) => Promise<void>
  /** All 24 registers of a bank, hex. */
  readPcrs: (bank: 'sha1' | 'sha256') => Promise<string[]>
  isOwned: () => Promise<boolean>
  /** Ends the TPM; its state stays in the stage's folder `tpm`. */
  stop: () => Promise<void>
}

// TPM 2.0 part 2: tags, command codes; part 3: TPM2_PCR_Extend. TPM 1.2 part 2 and 3 likewise.
const NO_SESSIONS = 0x8001
const SESSIONS = 0x8002
const RQU = 0x00c1
const ALG = { sha1: 0x0004, sha256: 0x000b }
const EMPTY_PASSWORD = Buffer.from('00000009400000090000000000', 'hex')

function command(tag: number, code: number, body: Buffer = Buffer.alloc(0)): Buffer {
  const header = Buffer.alloc(10)
  header.writeUInt16BE(tag, 0)
  header.writeUInt32BE(10 + body.length, 2)
  header.writeUInt32BE(code, 6)
  return Buffer.concat([header, body])
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value)
  return bytes
}

/** Sends raw commands over one connection to the TPM's data port. @throws Error at the first error code */
async function talk(
  holder: Holder,
  commands: readonly Buffer[],
  allowed: readonly number[] = [0],
): Promise<Buffer[]> {
  const [program, ...args] = [...holder.enter, 'socat', '-', `TCP:127.0.0.1:${TPM_PORT}`]
  const child = spawn(program as string, args, { stdio: ['pipe', 'pipe', 'inherit'], env: hostEnvironment() })
  let pending: Buffer = Buffer.alloc(0)
  let wake: () => void = () => {}
  let closed = false
  child.stdout.on('data', (chunk: Buffer) => {
    pending = Buffer.concat([pending, chunk])
    wake()
  })
  child.stdin.on('error', () => {})
  const ended = new Promise<void>((resolve) =>
    child.once('close', () => {
      closed = true
      wake()
      resolve()
    }),
  )
  const complete = (): boolean => pending.length >= 10 && pending.length >= pending.readUInt32BE(2)
  const answers: Buffer[] = []
  try {
    for (const request of commands) {
      child.stdin.write(request)
      while (!complete()) {
        if (closed) throw new Error('the software TPM hung up')
        await new Promise<void>((resolve) => {
          wake = resolve
        })
      }
      const answer = pending.subarray(0, pending.readUInt32BE(2))
      pending = pending.subarray(answer.length)
      const code = answer.readUInt32BE(6)
      if (!allowed.includes(code))
        throw new Error(
          `TPM command ${request.subarray(6, 10).toString('hex')} failed: 0x${code.toString(16)}`,
        )
      answers.push(answer)
    }
  } finally {
    child.stdin.end()
    child.kill('SIGTERM')
    await ended
  }
  return answers
}

/** Makes the TPM's state, unless it was kept, and starts it inside the stage; it lives as long as the stage. */
export async function startTpm(
  holder: Holder,
  version: TpmVersion,
  state: 'new' | 'kept' = 'new',
): Promise<Tpm> {
  const folder = `${holder.folder}/tpm`
  const flavour = version === '2.0' ? ['--tpm2'] : []
  // TPM 1.2 cannot be owned without an endorsement key
  if (version === '1.2' && state === 'new')
    await holder.must(['swtpm_setup', '--tpm-state', folder, '--createek', '--runas', 'root'])
  await holder.must([
    'swtpm', 'socket', ...flavour, '--daemon', '--tpmstate', `dir=${folder}`, '--server', `type=tcp,port=${TPM_PORT}`,
    '--ctrl', `type=tcp,port=${TPM_PORT + 1}`, '--flags', 'not-need-init', '--log', `file=${folder}/log,level=1`,
  ]) // biome-ignore format: one line per thought
  const ioctl = (args: readonly string[], input?: Buffer): Promise<string> =>
    holder.must(['swtpm_ioctl', '--tcp', CONTROL, ...args], input ? { input } : {})
  const startup =
    version === '2.0'
      ? command(NO_SESSIONS, 0x144, Buffer.from([0, 0]))
      : command(RQU, 0x99, Buffer.from([0, 1]))

  return {
    version,
    powerOn: async () => {
      await ioctl(['-i'])
      await talk(holder, [startup])
    },
    shutDown: async () => {
      if (version === '2.0') await talk(holder, [command(NO_SESSIONS, 0x145, Buffer.from([0, 0]))])
    },
    launch: async (data, extend) => {
      await ioctl(['-h', '-'], data)
      await ioctl(['-l', '2'])
      await talk(
        holder,
        extend.map(({ pcr, digests }) => extendCommand(version, pcr, digests)),
      )
      await ioctl(['-l', '0'])
    },
    stop: async () => {
      await ioctl(['-s'])
    },
    readPcrs: (bank) => readPcrs(holder, version, bank),
    isOwned: async () => {
      // TPM_GetCapability, TPM_CAP_PROPERTY, TPM_CAP_PROP_OWNER
      if (version === '2.0') return false
      const [answer] = await talk(holder, [
        command(RQU, 0x65, Buffer.concat([uint32(5), uint32(4), uint32(0x111)])),
      ])
      return answer?.at(-1) === 1
    },
  }
}

function extendCommand(version: TpmVersion, pcr: number, digests: Digests): Buffer {
  if (version === '1.2') return command(RQU, 0x14, Buffer.concat([uint32(pcr), digests.sha1]))
  const values = (['sha1', 'sha256'] as const).map((bank) =>
    Buffer.concat([Buffer.from([0, ALG[bank]]), digests[bank]]),
  )
  return command(
    SESSIONS,
    0x182,
    Buffer.concat([uint32(pcr), EMPTY_PASSWORD, uint32(values.length), ...values]),
  )
}

async function readPcrs(holder: Holder, version: TpmVersion, bank: 'sha1' | 'sha256'): Promise<string[]> {
  const indexes = Array.from({ length: 24 }, (_, index) => index)
  if (version === '1.2') {
    const answers = await talk(
      holder,
      indexes.map((index) => command(RQU, 0x15, uint32(index))),
    )
    return answers.map((answer) => answer.subarray(10, 30).toString('hex'))
  }
  const selections = indexes.map((index) => {
    const bits = Buffer.alloc(3)
    bits[index >> 3] = 1 << (index & 7)
    return command(NO_SESSIONS, 0x17e, Buffer.concat([uint32(1), Buffer.from([0, ALG[bank], 3]), bits]))
  })
  const answers = await talk(holder, selections)
  // header 10, counter 4, selection 4+2+1+3, digest count 4, size 2
  return answers.map((answer) => answer.subarray(30).toString('hex'))
}
