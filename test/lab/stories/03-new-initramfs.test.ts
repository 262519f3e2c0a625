import { expect } from 'vitest'
import { BANKS } from '../machine/measure.ts'
import { NEW_INITRAMFS, readRegisters, runLong, secretShown, UPDATE_DRACUT } from './guest.ts'
import { sealedBase } from './snapshots.ts'
import { story } from './story.ts'

/*
 * An update after which the real dracut makes a new initramfs; no package has a digest of that. Must be seen: the program
 * makes it again, finds the same bytes and seals forward; the sentence is shown at the first boot, with the registers that
 * were predicted; `resume` ends with 0. Must not be seen: PCR 19 as it was.
 */

type Predicted = { readonly pcrs: readonly { readonly index: number; readonly predicted: string | null }[] }

story('3: an update of dracut with a new initramfs', sealedBase, async (machine) => {
  const before = await machine.powerOn()
  await before.ready()
  expect(secretShown(before)).toBe(true)
  const old = await readRegisters(before, 'sha256')
  await before.must(['sh', '-c', UPDATE_DRACUT])
  await runLong(before, NEW_INITRAMFS)
  const start = await before.program(['start', '--protect', 'forward-seal', '--restart', 'manual', '--yes'])
  expect(start.exit, start.screen).toBe(3)
  const { stdout } = await before.run(['aem-reseal', 'predict', '--json'])
  const { pcrs } = JSON.parse(stdout) as Predicted
  await before.powerOff()

  const first = await machine.powerOn()
  await first.ready()
  expect(secretShown(first), 'the sentence at the first boot').toBe(true)
  for (const bank of BANKS) expect(await readRegisters(first, bank)).toEqual(first.launch?.registers[bank])
  const registers = await readRegisters(first, 'sha256')
  expect(registers[19]).not.toBe(old[19])
  expect([registers[17], registers[18]]).toEqual([old[17], old[18]])
  for (const { index, predicted } of pcrs)
    if (index >= 17 && index <= 19) expect(predicted).toBe(registers[index as 17 | 18 | 19])
  const resume = await first.program(['resume', '--yes'])
  expect(resume.exit, resume.screen).toBe(0)
})
