import { expect } from 'vitest'
import type { Boot } from '../machine/boot.ts'
import type { Machine } from '../machine/machine.ts'
import { ATTACKS, type Attack, strike } from './evil-maid.ts'
import { NEW_INITRAMFS, runLong, secretShown, UPDATE_DRACUT, UPDATE_XEN } from './guest.ts'
import { flat, statusOf } from './said.ts'
import { approvedMachine, sealedBase } from './snapshots.ts'
import { story } from './story.ts'

/*
 * What nobody asked the program about. Must be seen: `status` and the notice at login say that what was prepared no longer
 * fits, or that a boot is not explained. Must not be seen: `resume` going on, or "yes" for the protection.
 */

const XEN = ATTACKS[0] as Attack

story('7: a second update while the session is open', sealedBase, async (machine) => {
  const boot = await machine.powerOn()
  await boot.ready()
  await boot.must(['sh', '-c', UPDATE_XEN])
  const start = await boot.program(['start', '--protect', 'forward-seal', '--restart', 'manual', '--yes'])
  expect(start.exit, start.screen).toBe(3)
  await boot.must(['sh', '-c', UPDATE_DRACUT])
  await runLong(boot, NEW_INITRAMFS)

  const status = await boot.program(['status'])
  expect(flat(status.screen)).toContain('the forward seal no longer fits')
  expect((await statusOf(boot)).notice?.code).toBe('prepared-outdated')
  const resume = await boot.program(['resume', '--yes'])
  expect(resume.exit, resume.screen).toBe(1)
})

/** She changes Xen while the machine is off; the boot that follows. */
async function strikeAndBoot(machine: Machine): Promise<Boot> {
  await strike(machine.partition, XEN)
  const boot = await machine.powerOn()
  await boot.ready()
  expect(secretShown(boot), 'the sentence at the first boot').toBe(false)
  return boot
}

// Where no boot was ever accepted, what is old cannot be told from what was changed (docs/contract.md, `changedFiles`).
story('7: an evil maid while no session is open', approvedMachine, async (machine) => {
  const boot = await strikeAndBoot(machine)
  const status = await statusOf(boot)
  expect(status.session).toBeNull()
  expect(status.protection).toMatchObject({ state: 'not-protected' })
  expect(status.protection.reasons.map(({ code }) => code)).toContain('boot-unexplained')
  expect(status.notice?.code).toBe('alarm')
  expect(flat((await boot.program(['status'])).screen)).toMatch(XEN.names)
})

// The sentence is back, as AEM has sealed to what she booted: the program still says it.
story('7: the boot after that of an evil maid', approvedMachine, async (machine) => {
  const boot = await strikeAndBoot(machine)
  await boot.powerOff()
  const next = await machine.powerOn()
  await next.ready()
  expect(secretShown(next), 'AEM has sealed to what was booted').toBe(true)
  expect((await statusOf(next)).notice?.code).toBe('alarm')
})
