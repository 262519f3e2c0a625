import { mkdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { cacheFolder, forgetUnused, noteUse } from '../image/place.ts'
import { copyState, type Machine, openMachine } from '../machine/machine.ts'

/*
 * Machines kept in the cache: a disk and a TPM's state, switched off, in a folder whose name holds a digest of all that
 * went into it. Two test files may ask for the same one at once: one makes it, the other waits.
 */

export type Snapshot = { readonly folder: string; readonly bootOffset: number }

const LOCK_S = 1800

const exists = (file: string): Promise<boolean> =>
  stat(file).then(
    () => true,
    () => false,
  )

/** Runs something that only one process may do at a time; a lock whose owner is gone is taken over. */
export async function locked<T>(name: string, work: () => Promise<T>): Promise<T> {
  const lock = path.join(cacheFolder(), `${name}.lock`)
  await mkdir(cacheFolder(), { recursive: true })
  const end = Date.now() + LOCK_S * 1000
  for (;;) {
    const taken = await writeFile(lock, String(process.pid), { flag: 'wx' }).then(
      () => true,
      () => false,
    )
    if (taken) break
    const owner = Number(await readFile(lock, 'utf8').catch(() => '0'))
    if (owner > 0 && !(await exists(`/proc/${owner}`))) await rm(lock, { force: true })
    else if (Date.now() > end) throw new Error(`${lock} is held by process ${owner} for too long`)
    else await new Promise((resolve) => setTimeout(resolve, 500))
  }
  try {
    return await work()
  } finally {
    await rm(lock, { force: true })
  }
}

/** Makes a snapshot where the cache has none: `from` is copied, `work` goes on from there and leaves the machine off. */
export async function snapshot(
  name: string,
  key: string,
  from: Snapshot,
  work: (machine: Machine) => Promise<void>,
): Promise<Snapshot> {
  const { bootOffset } = from
  const folder = path.join(cacheFolder(), `${name}-${key}`)
  await locked(`${name}-${key}`, async () => {
    if (await exists(folder)) return noteUse(folder)
    await forgetUnused(name)
    const draft = `${folder}.draft`
    await rm(draft, { recursive: true, force: true })
    await copyState(from.folder, draft)
    const machine = openMachine(draft, bootOffset)
    try {
      await work(machine)
    } catch (error) {
      const said = error instanceof Error ? error.message : String(error)
      throw new Error(`the snapshot ${name} could not be made; its logs: ${draft}/boot-*\n${said}`, {
        cause: error,
      })
    } finally {
      await machine.destroy(true)
    }
    await rename(draft, folder)
  })
  return { folder, bootOffset }
}
