import { expect, it } from 'vitest'
import { INTERNAL } from '../../../src/host/simulated/build.ts'
import type { SimMachine } from '../../../src/host/simulated/model.ts'
import { restartMachine } from '../../../src/host/simulated/power.ts'
import {
  approvedMachine,
  finish,
  INITRAMFS,
  isSecretShown,
  NEXT_XEN,
  put,
  setSeal,
  start,
  update,
} from '../../support/approved-machine.ts'
import { exitOf } from '../../support/asked.ts'
import { filesOf } from '../../support/two-devices.ts'

/*
 * A change was accepted, AEM's seal failed, and so the session stays open. A later boot whose selected registers are the accepted ones is
 * not the accepted one by that alone.
 */

const without19 = (m: SimMachine): void => setSeal(m, [13, 17, 18])

async function acceptedAndOpen(prepare: (m: SimMachine) => void): Promise<SimMachine> {
  const m = await approvedMachine(prepare)
  update(m, NEXT_XEN)
  expect((await start(m)).exit).toBe(3)
  m.sealWorks = false
  restartMachine(m)
  expect((await finish(m)).outcomes).toContain('accept-change: accepted')
  m.sealWorks = true
  return m
}

it('SEAL without PCR 19, an initramfs of somebody else: `verify` is not fine', async () => {
  const m = await acceptedAndOpen(without19)
  put(m, INITRAMFS, () => Buffer.from('an initramfs of somebody else'))
  for (let time = 0; time < 2; time++) restartMachine(m)
  expect(isSecretShown(m)).toBe(true)
  expect(await exitOf(m, 'verify')).toBe(1)
})

it('an entry of custom.cfg that measures the same and does more before: `verify` is not fine', async () => {
  const m = await acceptedAndOpen(() => {})
  restartMachine(m)
  expect(await exitOf(m, 'verify')).toBe(0)
  const files = filesOf(m, INTERNAL.uuid)
  const text = Buffer.from(files.get('/grub2/grub.cfg')!.bytes).toString('latin1')
  const [entry = ''] = /menuentry 'AEM Qubes, with Xen hypervisor'[^\n]*\n[\s\S]*?\n}\n/.exec(text) ?? []
  const beside = entry.replace(/\n}\n$/, '\n\tacpi\t/evil.aml\n}\n')
  expect(beside).not.toBe(entry)
  files.set('/grub2/custom.cfg', { bytes: Buffer.from(beside, 'latin1'), mtimeMs: m.nowMs })
  restartMachine(m)
  expect(await exitOf(m, 'verify')).toBe(1)
})
