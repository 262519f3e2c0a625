import { readdir, readFile, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { attach, type Disk } from './disks.ts'
import { dom0Layer } from './dom0-image.ts'
import type { Machine } from './machine.ts'
import { type Holder, openHolder } from './namespace.ts'
import { powerOff, powerOn } from './power.ts'
import { requireRealParts } from './preflight.ts'
import { cached } from './rpm.ts'
import { makeMachine, mountRoot, stageOf } from './stage.ts'
import type { Stage, StageDevice, StageOptions } from './stage-types.ts'
import { startTpm } from './tpm.ts'

/*
 * Every story begins in a dom0 that AEM was set up in; most in one that was then started once and sealed, and switched off in
 * good order. Such a stage is made once for each set of options: disks, TPM state and dom0's own changes are kept, and copied
 * for each test.
 */

/** What is kept beside the copies; disks are told by their UUID. */
type Kept = {
  readonly luks: Disk
  readonly bootDisk: Disk
  readonly devices: readonly StageDevice[]
  readonly lastBootSeconds: number
}

const FOLDERS = ['upper', 'tpm'] as const
const top = path.resolve(import.meta.dirname, '../..')

/** A dom0 whose TPM is owned and whose AEM devices are set up; switched off, never booted with AEM. */
export async function createStage(options: StageOptions): Promise<Stage> {
  return stageOf(await openSetUp(options))
}

/** A dom0 whose AEM devices were set up and sealed in one good boot; switched off. The next boot shows the secret. */
export async function createUsedStage(options: StageOptions): Promise<Stage> {
  const used = await openKept('used', options, async () => {
    const machine = await openSetUp(options)
    await powerOn(machine, {})
    await powerOff(machine, true)
    return machine
  })
  return stageOf(used)
}

const openSetUp = (options: StageOptions): Promise<Machine> =>
  openKept('set-up', options, () => makeMachine(options))

/** A copy of the stage that is kept; it is made first where there is none. @param make gives it switched off */
async function openKept(
  kind: 'set-up' | 'used',
  options: StageOptions,
  make: () => Promise<Machine>,
): Promise<Machine> {
  requireRealParts()
  const layer = await dom0Layer(options.releaseDist ?? 'fc37')
  const inputs = [JSON.stringify(options), layer, ...(await readSources())]
  const folder = await cached(kind, inputs, async (draft) => {
    const machine = await make()
    try {
      await keep(machine, draft)
    } finally {
      await machine.holder.end()
    }
  })
  const holder = await openHolder()
  try {
    return await restore(holder, layer, folder, options)
  } catch (error) {
    await holder.end()
    throw error
  }
}

/** All that a boot of a stage goes by: what is kept is made again when any of it changes. */
async function readSources(): Promise<readonly Buffer[]> {
  const files: string[] = []
  for (const folder of ['test/stage', 'src/host/simulated', 'src/core']) {
    const entries = await readdir(path.join(top, folder), { recursive: true, withFileTypes: true })
    for (const entry of entries)
      if (entry.isFile() && !entry.name.endsWith('.test.ts'))
        files.push(path.join(entry.parentPath, entry.name))
  }
  return Promise.all(files.sort().map((file) => readFile(file)))
}

async function keep({ holder, tpm, luks, bootDisk, devices, lastBootSeconds }: Machine, folder: string) {
  await tpm.stop()
  await holder.must(['umount', `${holder.folder}/root`])
  const kept: Kept = { luks, bootDisk, devices, lastBootSeconds }
  await writeFile(path.join(folder, 'machine.json'), JSON.stringify(kept))
  const images = [luks, bootDisk, ...devices.map(({ disk }) => disk)].map(imageOf)
  // Inside the stage /tmp is the machine's own, so that the draft has the same name there.
  const from = [...FOLDERS, ...new Set(images)].map((name) => `${holder.folder}/${name}`)
  await holder.must(['cp', '-a', '--sparse=always', ...from, folder])
}

const imageOf = ({ uuid }: Disk): string => `disk-${uuid}.img`

async function restore(
  holder: Holder,
  layer: string,
  folder: string,
  options: StageOptions,
): Promise<Machine> {
  const kept: Kept = JSON.parse(await readFile(path.join(folder, 'machine.json'), 'utf8'))
  const disks = new Map<string, Disk>()
  for (const disk of [kept.luks, kept.bootDisk, ...kept.devices.map((device) => device.disk)]) {
    if (disks.has(disk.uuid)) continue
    await holder.must(['cp', '--sparse=always', `${folder}/${imageOf(disk)}`, holder.folder])
    disks.set(disk.uuid, { ...disk, name: await attach(holder, `${holder.folder}/${imageOf(disk)}`) })
  }
  await holder.must(['cp', '-a', ...FOLDERS.map((name) => `${folder}/${name}`), holder.folder])
  await mountRoot(holder, layer)
  const diskOf = ({ uuid }: Disk): Disk => {
    const found = disks.get(uuid)
    if (found === undefined) throw new Error(`the kept stage has no disk ${uuid}`)
    return found
  }
  return {
    holder,
    tpm: await startTpm(holder, options.tpm, 'kept'),
    dist: options.releaseDist ?? 'fc37',
    options,
    devices: kept.devices.map((device) => ({ ...device, disk: diskOf(device.disk) })),
    bootDisk: diskOf(kept.bootDisk),
    luks: diskOf(kept.luks),
    noAem: false,
    running: null,
    lastBootSeconds: kept.lastBootSeconds,
  }
}
