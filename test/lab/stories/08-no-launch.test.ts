import { expect } from 'vitest'
import { secretShown, UPDATE_XEN } from './guest.ts'
import { flat, statusOf } from './said.ts'
import { sealedBase } from './snapshots.ts'
import { story } from './story.ts'

/*
 * Boots in which nothing may be prepared or sealed. Must be seen: `status` says which it is, `start` refuses. Must not be
 * seen: a changed file among the sealed ones, or a boot afterwards that does not show the sentence.
 */

const SEALED = ['sh', '-c', 'find /boot/aem /var/lib/tpms -type f -exec sha256sum {} + | sort']
const START = ['start', '--protect', 'forward-seal', '--restart', 'manual', '--yes']

story('8: booted by an entry without AEM', sealedBase, async (machine) => {
  const boot = await machine.powerOn({ entry: ['Qubes, with Xen hypervisor'] })
  await boot.ready()
  expect(secretShown(boot)).toBe(false)
  const before = (await boot.must(SEALED)).stdout
  expect(flat((await boot.program(['status'])).screen)).toMatch(/booted with AEM no/)
  await boot.must(['sh', '-c', UPDATE_XEN])
  const start = await boot.program(START)
  expect([1, 2], start.screen).toContain(start.exit)
  expect((await boot.must(SEALED)).stdout).toBe(before)
})

story('8: the processor makes no launch', sealedBase, async (machine) => {
  const boot = await machine.powerOn({ launch: false })
  await boot.ready()
  expect(secretShown(boot), 'the sentence without a launch').toBe(false)
  const registers = (await boot.must(['cat', '/sys/class/tpm/tpm0/pcr-sha256/18'])).stdout.trim()
  expect(registers).toMatch(/^F{64}$/i)
  const before = (await boot.must(SEALED)).stdout
  expect(flat((await boot.program(['status'])).screen)).toMatch(/measured launch no/)
  await boot.must(['sh', '-c', UPDATE_XEN])
  const start = await boot.program(START)
  expect([1, 2], start.screen).toContain(start.exit)
  expect((await boot.must(SEALED)).stdout).toBe(before)
})

story('8: an update that did not reach the device', sealedBase, async (machine) => {
  const boot = await machine.powerOn()
  await boot.ready()
  expect(secretShown(boot)).toBe(true)
  // QubesOS/qubes-issues #885: updates written to an unmounted /boot
  await boot.must(['sh', '-c', `umount /boot && ${UPDATE_XEN} && mount /boot`])
  expect((await statusOf(boot)).protection.state).not.toBe('protected')
  const before = (await boot.must(SEALED)).stdout
  const start = await boot.program(START)
  expect(start.exit, start.screen).toBe(1)
  expect(flat(start.screen)).toMatch(/aem/)
  expect((await boot.must(SEALED)).stdout).toBe(before)
})
