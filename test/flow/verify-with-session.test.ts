import { expect, it } from 'vitest'
import { changeOneByte } from '../../src/host/simulated/boot-images.ts'
import { XEN_IMAGE } from '../../src/host/simulated/build.ts'
import { makeSimulatedHost } from '../../src/host/simulated/host.ts'
import { restartMachine } from '../../src/host/simulated/power.ts'
import { approvedMachine, INITRAMFS, NEXT_XEN, put, update } from '../support/approved-machine.ts'
import { runMain } from '../support/io.ts'

/* Copies that fit a boot are worth what the boot is worth, while a session is open too. */

it.each([
  [XEN_IMAGE, changeOneByte],
  [INITRAMFS, () => Buffer.from('evil')],
  [
    'grub2/grub.cfg',
    (old: Uint8Array) =>
      Buffer.from(Buffer.from(old).toString().replaceAll('rhgb quiet', 'rhgb quiet init=/evil')),
  ],
])('after the restart, before and after `resume`: %s changed', async (name, change) => {
  const m = await approvedMachine()
  update(m, NEXT_XEN)
  const run = async (...argv: string[]) => (await runMain(argv, { host: makeSimulatedHost(m) })).exit
  expect(await run('start', '--yes', '--protect', 'plain', '--restart', 'manual')).toBe(3)
  put(m, name, change)
  restartMachine(m)
  expect(await run('explain')).toBe(4)
  const before = await run('verify')
  expect(await run('resume', '--yes')).toBe(4)
  expect([before, await run('verify')]).toEqual([1, 1])
})
