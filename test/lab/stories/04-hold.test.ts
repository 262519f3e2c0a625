import { expect } from 'vitest'
import type { Machine } from '../machine/machine.ts'
import { sealedFiles, sealResult, secretShown } from './guest.ts'
import { heldMachine, startedMachine } from './snapshots.ts'
import { story } from './story.ts'

/*
 * With hold the first boot shows no sentence. Must be seen: AEM seals by itself where every register is as predicted, and
 * waits where another one moved too; then `resume` explains that, seals and verifies. In both it ends with 3, as the next
 * boot is the proof; that one shows the sentence, and `resume` ends with 0. Must not be seen: a seal, before `resume`, to
 * what nobody had predicted.
 */

/** Boots blind, lets `resume` approve it, boots once more. */
async function approve(machine: Machine, seal: 'success' | 'exec-condition'): Promise<void> {
  const boot = await machine.powerOn()
  await boot.ready()
  expect(secretShown(boot), 'the sentence at the first boot').toBe(false)
  expect(await sealResult(boot)).toBe(seal)
  const before = await sealedFiles(boot)
  const resume = await boot.program(['resume', '--yes'])
  expect(resume.exit, resume.screen).toBe(3)
  const isSealedByResume = (await sealedFiles(boot)) !== before
  expect(isSealedByResume, '`resume` has sealed').toBe(seal === 'exec-condition')
  await boot.powerOff()

  const next = await machine.powerOn()
  await next.ready()
  expect(secretShown(next), 'the sentence at the next boot').toBe(true)
  const last = await next.program(['resume', '--yes'])
  expect(last.exit, last.screen).toBe(0)
}

story('4: hold, as predicted', startedMachine.hold, (machine) => approve(machine, 'success'))

story('4: hold, and a signed update after start', heldMachine, (machine) =>
  approve(machine, 'exec-condition'),
)
