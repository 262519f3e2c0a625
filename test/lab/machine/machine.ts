import { randomBytes } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { mkdir, readdir, rm } from 'node:fs/promises'
import path from 'node:path'
import { must } from '../../stage/process.ts'
import { type Agent, openAgent } from './agent.ts'
import { type Boot, makeBoot } from './boot.ts'
import type { Partition } from './boot-partition.ts'
import { type Child, poll, within } from './child.ts'
import { launchLog } from './launch-log.ts'
import { loadBootEntry } from './loader.ts'
import { measureLaunch } from './measure.ts'
import { startQemu } from './qemu.ts'
import { startTpm, type Tpm } from './tpm.ts'

/*
 * A machine of the lab: a disk and a TPM's state in a folder, switched on again and again. Every restart of the guest
 * is a new QEMU, as only so the loader's choice and the launch are made again from what is then on the disk.
 */

export type PowerOnOptions = {
  /** Titles of an entry that the user picks in GRUB's menu, submenus first. */
  readonly entry?: readonly string[]
  /** False: the processor makes no measured launch. */
  readonly launch?: boolean
}

export type Machine = {
  readonly folder: string
  readonly partition: Partition
  readonly powerOn: (options?: PowerOnOptions) => Promise<Boot>
  /** The plug is pulled; nothing that the guest has not written is kept. */
  readonly cutPower: () => Promise<void>
  /** Disk and TPM as they would be if the power failed now, or as they are when it is off. */
  readonly copy: (folder: string) => Promise<void>
  /** Ends everything; with `keep` the folder with its logs stays. */
  readonly destroy: (keep?: boolean) => Promise<void>
}

const END_S = 60

type Running = { readonly qemu: Child; readonly tpm: Tpm; readonly agent: Agent }

/** Copies disk and TPM of a machine into a folder, holes kept. */
export async function copyState(from: string, to: string): Promise<void> {
  await mkdir(to, { recursive: true })
  await must([
    'cp',
    '--sparse=always',
    '--reflink=auto',
    path.join(from, 'disk.raw'),
    path.join(to, 'disk.raw'),
  ])
  if (existsSync(path.join(from, 'tpm')))
    await must(['cp', '-a', '--', path.join(from, 'tpm'), path.join(to, 'tpm')])
}

/** The machine whose disk (`disk.raw`) and TPM state (`tpm/`) lie in a folder, switched off. */
export function openMachine(folder: string, bootOffset: number): Machine {
  const disk = path.join(folder, 'disk.raw')
  const partition = { disk, offset: bootOffset }
  // sockets need a short path
  const sockets = path.join('/tmp', `lab-${randomBytes(6).toString('hex')}`)
  let running: Running | null = null
  let count = 0

  const off = async (): Promise<void> => {
    const parts = running
    running = null
    if (!parts) return
    parts.agent.close()
    parts.qemu.kill('SIGKILL')
    await within(END_S, 'the end of QEMU', parts.qemu.ended)
    await parts.tpm.stop()
    // copies of what is on the disk; the logs stay
    for (const file of await readdir(sockets))
      if (file.startsWith('module-')) await rm(path.join(sockets, file), { force: true })
  }

  const powerOn = async (options: PowerOnOptions = {}): Promise<Boot> => {
    if (running) throw new Error('the machine is on already')
    const choice = await loadBootEntry(partition, options.entry ?? null)
    const launch = options.launch === false ? null : await measureLaunch(choice)
    const logs = path.join(folder, `boot-${++count}`)
    await mkdir(logs, { recursive: true })
    await rm(sockets, { force: true, recursive: true })
    await must(['ln', '-sfn', logs, sockets])
    const tpm = await startTpm(path.join(folder, 'tpm'), sockets, launch)
    let qemu: Child | null = null
    try {
      qemu = await startQemu({
        choice,
        disk,
        launchLog: launchLog(launch),
        tpmSocket: tpm.socket,
        folder: sockets,
      })
      const agent = await Promise.race([
        openAgent(path.join(sockets, 'agent.sock')),
        qemu.ended.then((end) => {
          throw new Error(`QEMU ended with ${end}; see ${logs}/qemu.log`)
        }),
      ])
      running = { qemu, tpm, agent }
    } catch (error) {
      qemu?.kill('SIGKILL')
      await tpm.stop()
      throw error
    }
    return makeBoot({ choice, launch, logs, agent: running.agent, ended: running.qemu.ended, off })
  }

  return {
    folder,
    partition,
    powerOn,
    cutPower: off,
    copy: async (to) => {
      const parts = running
      const signal = (name: 'SIGSTOP' | 'SIGCONT'): void => {
        parts?.qemu.kill(name)
        parts?.tpm.signal(name)
      }
      signal('SIGSTOP')
      try {
        if (parts?.qemu.process.pid) await stopped(parts.qemu.process.pid)
        await copyState(folder, to)
      } finally {
        signal('SIGCONT')
      }
    },
    destroy: async (keep = false) => {
      await off()
      await rm(sockets, { force: true })
      if (!keep) await rm(folder, { recursive: true, force: true })
    },
  }
}

/** Waits until a process has stopped: state T in /proc/PID/stat (proc(5)). */
async function stopped(pid: number): Promise<void> {
  await poll(10, `process ${pid} stopped`, () =>
    /^\d+ \(.*\) T/s.test(readFileSync(`/proc/${pid}/stat`, 'latin1')),
  )
}
