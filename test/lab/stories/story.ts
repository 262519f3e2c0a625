import { mkdir, readdir, readFile, rm } from 'node:fs/promises'
import path from 'node:path'
import { test } from 'vitest'
import { must } from '../../stage/process.ts'
import { cacheFolder } from '../image/place.ts'
import { writeBootFile } from '../machine/boot-partition.ts'
import { copyState, type Machine, openMachine } from '../machine/machine.ts'
import { partitionsOf } from '../machine/partitions.ts'
import type { Snapshot } from './snapshots.ts'

/** Where the program lies in the guest (packaging/aem-reseal.spec). */
const PROGRAM = '/usr/lib/aem-reseal/aem-reseal.mjs'
const ROOT_LOG = '/var/log/journal'

/** Copies the logs of every boot: consoles, proxy logs, screens of the program. */
async function keepLogs(machine: Machine, kept: string): Promise<void> {
  await rm(kept, { recursive: true, force: true })
  for (const boot of (await readdir(machine.folder)).filter((each) => each.startsWith('boot-'))) {
    await mkdir(path.join(kept, boot), { recursive: true })
    const from = path.join(machine.folder, boot)
    for (const file of (await readdir(from)).filter((each) => each.endsWith('.log')))
      await must(['cp', path.join(from, file), path.join(kept, boot, file)])
  }
}

/** What a failed story leaves besides: the guest's journal, from its disk. */
async function keepJournal(machine: Machine, kept: string): Promise<void> {
  const root = (await partitionsOf(machine.partition.disk)).at(-1)
  if (root === undefined) return
  await mkdir(path.join(kept, 'journal'), { recursive: true })
  const argv = ['debugfs', '-R', `rdump ${ROOT_LOG} ${kept}/journal`, `${root.disk}?offset=${root.offset}`]
  await must(argv).catch(() => '') // no journal was written yet
}

/**
 * Another program than the packaged one, where LAB_PROGRAM names its file: how a story is seen to fail with one check of
 * the program broken (docs/lab.md).
 */
async function replaceProgram(machine: Machine): Promise<void> {
  const file = process.env.LAB_PROGRAM
  const root = (await partitionsOf(machine.partition.disk)).at(-1)
  if (file === undefined || root === undefined) return
  await writeBootFile(root, PROGRAM, await readFile(file))
}

/** Runs `work` on a copy of a snapshot. Its logs are kept; when it fails, the guest's journal too, and the error names them. */
export async function onMachine(
  name: string,
  snapshot: Snapshot,
  work: (machine: Machine) => Promise<void>,
): Promise<void> {
  const folder = path.join(cacheFolder(), 'running', `${name}-${process.pid}`)
  await rm(folder, { recursive: true, force: true })
  await copyState(snapshot.folder, folder)
  const machine = openMachine(folder, snapshot.bootOffset)
  try {
    await replaceProgram(machine)
    await work(machine)
    await machine.cutPower()
    await keepLogs(machine, path.join(cacheFolder(), 'passed', name))
  } catch (error) {
    await machine.cutPower()
    const kept = path.join(cacheFolder(), 'failed', name)
    await keepLogs(machine, kept)
    await keepJournal(machine, kept)
    const said = error instanceof Error ? error.message : String(error)
    throw new Error(`${said}\nconsole, journal, proxy log and screens: ${kept}`, { cause: error })
  } finally {
    await machine.destroy()
  }
}

/** False: LAB_STORIES, a regular expression that tools/run-lab.mjs sets, leaves this story out. */
function isWanted(name: string): boolean {
  const { LAB_STORIES } = process.env
  return LAB_STORIES === undefined || new RegExp(LAB_STORIES).test(name)
}

/** A test that takes minutes: it says how long, snapshots that it had to make included. */
export function timedTest(name: string, work: () => Promise<void>): void {
  if (!isWanted(name)) return
  test(name, async () => {
    const begin = Date.now()
    try {
      await work()
    } finally {
      console.log(`lab: ${name}: ${Math.round((Date.now() - begin) / 1000)} s`)
    }
  })
}

/** One story: a test on a machine of its own, a copy of a snapshot. */
export function story(
  name: string,
  from: () => Promise<Snapshot>,
  work: (machine: Machine, snapshot: Snapshot) => Promise<void>,
): void {
  timedTest(name, async () => {
    const snapshot = await from()
    await onMachine(name.replace(/\W+/g, '-').slice(0, 60), snapshot, (machine) => work(machine, snapshot))
  })
}
