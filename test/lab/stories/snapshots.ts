import { readFile, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { buildImage } from '../image/image.ts'
import { keyOf } from '../image/place.ts'
import { locked, type Snapshot, snapshot } from './cache.ts'
import { NEW_INITRAMFS, runLong, sayYes, UPDATE_DRACUT, UPDATE_XEN } from './guest.ts'
import { provision } from './provision.ts'

/* The machines that stories begin with. Every story works on its own copy. */

export type { Snapshot } from './cache.ts'

/** What decides on the registers that a snapshot is sealed to, and how it came about. */
const SOURCES = [
  ...['measure.ts', 'loader.ts', 'grub-run.ts', 'grub-script.ts', 'tpm-proxy.py'].map(
    (name) => `../machine/${name}`,
  ),
  'provision.ts',
].map((file) => path.join(import.meta.dirname, file))

const made = new Map<string, Promise<Snapshot>>()

/** Once in a process: sources that change meanwhile do not mix two machines. */
function once(name: string, make: () => Promise<Snapshot>): () => Promise<Snapshot> {
  return () => {
    const known = made.get(name) ?? make()
    made.set(name, known)
    return known
  }
}

const nameOf = ({ folder }: Snapshot): string => path.basename(folder)

/** A dom0 whose TPM is taken and whose device is sealed to it: its last boot has shown the sentence. */
export const sealedBase = once('sealed', async () => {
  const image = await locked('image', buildImage)
  const from = { folder: path.dirname(image.disk), bootOffset: image.bootOffset }
  const sources = await Promise.all(SOURCES.map((file) => readFile(file)))
  return snapshot('sealed', keyOf([nameOf(from), ...sources]), from, provision)
})

/** The sealed dom0 with QSB-103's Xen installed, and switched off before anybody ran `start`. */
export const updatedMachine = once('updated', async () => {
  const base = await sealedBase()
  return snapshot('updated', keyOf([nameOf(base), UPDATE_XEN]), base, async (machine) => {
    const boot = await machine.powerOn()
    await boot.ready()
    await boot.must(['sh', '-c', UPDATE_XEN])
    await boot.powerOff()
  })
})

/** The sealed dom0 with QSB-103's Xen installed and `start` run to its end; switched off before the restart. */
export const startedMachine = {
  'forward-seal': once('started-forward-seal', () => started('forward-seal')),
  hold: once('started-hold', () => started('hold')),
}

/** Where `predict --json` of a started machine lies in its snapshot: what the program predicted before the restart. */
export const PREDICTION = 'predict.json'

/** The same with hold, and signed packages that came after `start`: at its next boot AEM's seal waits. */
export const heldMachine = once('held', () => started('hold', [UPDATE_DRACUT, NEW_INITRAMFS]))

async function started(protect: 'forward-seal' | 'hold', later: readonly string[] = []): Promise<Snapshot> {
  const base = await sealedBase()
  const args = ['start', '--protect', protect, '--restart', 'manual', '--yes']
  const key = keyOf([nameOf(base), UPDATE_XEN, ...args, ...later])
  return snapshot(later.length === 0 ? `started-${protect}` : 'held', key, base, async (machine) => {
    const boot = await machine.powerOn()
    await boot.ready()
    await boot.must(['sh', '-c', UPDATE_XEN])
    if (protect === 'hold') await sayYes(boot, ['gate', 'install'])
    const { exit, screen } = await boot.program(args)
    if (exit !== 3) throw new Error(`start ended with ${exit}:\n${screen}`)
    const prediction = (await boot.must(['aem-reseal', 'predict', '--json'])).stdout
    await writeFile(path.join(machine.folder, PREDICTION), prediction)
    for (const command of later) await runLong(boot, command)
    await boot.powerOff()
  })
}

/** The dom0 after its first update with the program: the new Xen runs, and `resume` has accepted its boot. */
export const approvedMachine = once('approved', async () => {
  const before = await startedMachine['forward-seal']()
  return snapshot('approved', keyOf([nameOf(before), 'resume']), before, async (machine) => {
    const boot = await machine.powerOn()
    await boot.ready()
    const { exit, screen } = await boot.program(['resume', '--yes'])
    if (exit !== 0) throw new Error(`resume ended with ${exit}:\n${screen}`)
    await boot.powerOff()
  })
})
