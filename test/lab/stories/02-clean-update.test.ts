import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { expect } from 'vitest'
import { BANKS } from '../machine/measure.ts'
import { readRegisters, secretShown } from './guest.ts'
import { PREDICTION, startedMachine } from './snapshots.ts'
import { story } from './story.ts'

/*
 * Must be seen: after an update of Xen and a forward seal the sentence is on the screen of the first boot of the new Xen,
 * before dom0 starts; `resume` ends with 0; the registers are those that the program predicted, those that the guest's
 * kernel reads, and those of a computation that shares no code with the program. Must not be seen: a blind boot.
 */

type Predicted = { readonly index: number; readonly bank: string; readonly predicted: string | null }

story(
  '2: a clean Xen update with a forward seal',
  startedMachine['forward-seal'],
  async (machine, started) => {
    const { pcrs } = JSON.parse(await readFile(path.join(started.folder, PREDICTION), 'utf8')) as {
      pcrs: readonly Predicted[]
    }

    const boot = await machine.powerOn()
    await boot.ready()
    expect(secretShown(boot), 'the sentence at the first boot').toBe(true)

    for (const bank of BANKS) expect(await readRegisters(boot, bank)).toEqual(boot.launch?.registers[bank])
    const predicted = pcrs.filter(({ index }) => index >= 17 && index <= 19)
    expect(Object.fromEntries(predicted.map((pcr) => [pcr.index, pcr.predicted]))).toEqual(
      await readRegisters(boot, 'sha256'),
    )

    const resume = await boot.program(['resume', '--yes'])
    expect(resume.exit, resume.screen).toBe(0)
  },
)
