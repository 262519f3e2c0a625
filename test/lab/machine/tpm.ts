import { existsSync } from 'node:fs'
import { mkdir, rm, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Child, poll, startChild, within } from './child.ts'
import { type Launch, launchPlan } from './measure.ts'

/** The machine's TPM for one power-on: swtpm over the kept state, and the proxy that plays the launch. */
export type Tpm = {
  /** Where QEMU's TPM backend connects. */
  readonly socket: string
  readonly stop: () => Promise<void>
  /** SIGSTOP and SIGCONT, for a copy of the state. */
  readonly signal: (signal: 'SIGSTOP' | 'SIGCONT') => void
}

const PROXY = fileURLToPath(new URL('tpm-proxy.py', import.meta.url))
const START_S = 30

/**
 * Starts TPM and proxy.
 * @param state folder with the TPM's permanent state; made when it is not there
 * @param folder for sockets and logs of this power-on; a short path (a UNIX socket's name has 107 bytes at most)
 * @param launch what the proxy extends after the firmware's startup; null for a boot without a launch
 */
export async function startTpm(state: string, folder: string, launch: Launch | null): Promise<Tpm> {
  await mkdir(state, { recursive: true })
  const control = path.join(folder, 'swtpm.sock')
  const socket = path.join(folder, 'tpm.sock')
  const plan = path.join(folder, 'launch.json')
  for (const stale of [control, socket]) await rm(stale, { force: true })
  await writeFile(plan, launchPlan(launch))
  const children: Child[] = []
  const stop = async (): Promise<void> => {
    for (const child of children.reverse()) child.kill('SIGKILL')
    await within(START_S, 'the end of the TPM', Promise.all(children.map((child) => child.ended)))
  }
  try {
    const swtpmLog = path.join(folder, 'swtpm.log')
    children.push(
      startChild(
        [
          'swtpm', 'socket', '--tpm2', '--tpmstate', `dir=${state}`, '--ctrl', `type=unixio,path=${control}`,
          '--log', `file=${swtpmLog},level=1`,
        ], // biome-ignore format: one line per thought
        swtpmLog,
      ),
    )
    await poll(START_S, 'swtpm', () => existsSync(control))
    const proxyLog = path.join(folder, 'proxy.log')
    // Debian's own interpreter: it is in the list of packages
    const proxy = startChild(['/usr/bin/python3', PROXY, socket, control, plan, proxyLog], proxyLog, 'pipe')
    children.push(proxy)
    await within(
      START_S,
      'the TPM proxy',
      new Promise((resolve, reject) => {
        proxy.process.stdout?.once('data', resolve)
        proxy.ended.then(
          (end) => reject(new Error(`the TPM proxy ended with ${end}; see ${proxyLog}`)),
          reject,
        )
      }),
    )
  } catch (error) {
    await stop()
    throw error
  }
  return {
    socket,
    stop,
    signal: (signal) => {
      for (const child of children) child.kill(signal)
    },
  }
}
