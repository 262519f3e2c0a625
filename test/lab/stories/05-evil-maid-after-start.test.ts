import { expect } from 'vitest'
import type { Machine } from '../machine/machine.ts'
import { ATTACKS, type Attack, strike } from './evil-maid.ts'
import { sealedFiles, sealResult, secretShown } from './guest.ts'
import { startedMachine } from './snapshots.ts'
import { story } from './story.ts'

/*
 * An evil maid writes to the boot partition between `start` and the restart. Must be seen: `resume` ends with 4 and names
 * what she changed. Must not be seen: the sentence at the first boot, and, with hold, a seal to what she booted.
 */

async function strikeAndBoot(machine: Machine, attack: Attack) {
  await strike(machine.partition, attack)
  const boot = await machine.powerOn()
  await boot.ready()
  expect(secretShown(boot), 'the sentence at the first boot').toBe(false)
  return boot
}

for (const attack of ATTACKS) {
  story(`5: forward seal, ${attack.what}`, startedMachine['forward-seal'], async (machine) => {
    const boot = await strikeAndBoot(machine, attack)
    const resume = await boot.program(['resume', '--yes'])
    expect(resume.exit, resume.screen).toBe(4)
    expect(resume.screen).toMatch(attack.names)
  })

  story(`5: hold, ${attack.what}`, startedMachine.hold, async (machine) => {
    const boot = await strikeAndBoot(machine, attack)
    expect(await sealResult(boot)).toBe('exec-condition')
    const before = await sealedFiles(boot)
    const resume = await boot.program(['resume', '--yes'])
    expect(resume.exit, resume.screen).toBe(4)
    expect(resume.screen).toMatch(attack.names)
    expect(await sealedFiles(boot), 'the sealed files').toBe(before)
  })
}
