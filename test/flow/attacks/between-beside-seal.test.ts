import { expect, it } from 'vitest'
import { installKernel } from '../../../src/host/simulated/build.ts'
import { bootFilesOf, type SimMachine } from '../../../src/host/simulated/model.ts'
import { restartMachine } from '../../../src/host/simulated/power.ts'
import {
  approvedMachine,
  finish,
  INITRAMFS,
  isSecretShown,
  loadLedger,
  NEXT_XEN,
  put,
  setSeal,
  start,
  update,
} from '../../support/approved-machine.ts'
import { exitOf, protectionOf } from '../../support/asked.ts'
import { updateMicrocode } from '../../support/two-devices.ts'

/*
 * SEAL without PCR 19. Between `start` and the restart somebody puts an initramfs of his own on the device, and that one puts the honest
 * one back after the boot. No selected register moves, no file differs: what the launch measured says it.
 */

const without19 = (m: SimMachine): void => setSeal(m, [13, 17, 18])

it('an initramfs of somebody else that put the honest one back is never explained, verified or approved', async () => {
  const m = await approvedMachine(without19)
  update(m, NEXT_XEN)
  expect((await start(m)).exit).toBe(3)
  const honest = bootFilesOf(m).get(INITRAMFS)!
  put(m, INITRAMFS, () => Buffer.from('an initramfs of somebody else'))
  restartMachine(m)
  expect(isSecretShown(m)).toBe(true)
  bootFilesOf(m).set(INITRAMFS, honest)
  const before = (await loadLedger(m)).approved?.registers['19']
  const { exit, outcomes } = await finish(m)
  expect(outcomes).toContain('explain: unexplained')
  expect(exit).toBe(4)
  expect((await loadLedger(m)).approved?.registers['19']).toBe(before)
  expect([await exitOf(m, 'verify'), await protectionOf(m)]).not.toEqual([0, 'protected'])
})

it.each<[string, (m: SimMachine) => void]>([
  ['Xen', (m) => update(m, NEXT_XEN)],
  ['microcode', updateMicrocode],
  [
    'the kernel',
    (m) => {
      m.nowMs += 3600_000
      installKernel(m, '6.6.40-1.qubes.fc37.x86_64')
      m.nowMs += 3600_000
    },
  ],
])('an honest update of %s is explained', async (_name, change) => {
  const m = await approvedMachine(without19)
  change(m)
  expect((await start(m)).exit).toBe(3)
  restartMachine(m)
  const { exit, outcomes } = await finish(m)
  expect(outcomes).toContain('explain: explained')
  expect(exit).toBe(0)
})
