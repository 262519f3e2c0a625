import { expect } from 'vitest'
import { ATTACKS, strike } from './evil-maid.ts'
import { sealedFiles, secretShown } from './guest.ts'
import { approvedMachine } from './snapshots.ts'
import { story } from './story.ts'

/*
 * An evil maid writes to the boot partition of a machine whose last boot was approved, before anybody runs `start`. AEM
 * seals to what she booted by itself, so one boot later the sentence is back and nothing on the screen warns. Must be seen:
 * `start` refuses with 1 and names what differs from the approved boot. Must not be seen: a seal by the program, which would
 * carry her change on. (On a machine where the program was never used the released secret is all there is: there the
 * second boot passes for a good one.)
 */

for (const attack of ATTACKS)
  story(`6: ${attack.what}`, approvedMachine, async (machine) => {
    await strike(machine.partition, attack)
    const blind = await machine.powerOn()
    await blind.ready()
    expect(secretShown(blind), 'the sentence at the first boot').toBe(false)
    await blind.powerOff()

    const next = await machine.powerOn()
    await next.ready()
    expect(secretShown(next), 'AEM has sealed to what was booted').toBe(true)
    const before = await sealedFiles(next)
    const start = await next.program(['start', '--restart', 'manual', '--yes'])
    expect(start.exit, start.screen).toBe(1)
    expect(start.screen).toMatch(attack.names)
    expect(await sealedFiles(next), 'the sealed files').toBe(before)
  })
