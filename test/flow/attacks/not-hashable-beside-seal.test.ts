import { gzipSync } from 'node:zlib'
import { expect, it } from 'vitest'
import { bootFilesOf, KERNEL_RELEASE, type SimMachine } from '../../../src/host/simulated/model.ts'
import { approvedMachine, NEXT_XEN, setSeal, start, update } from '../../support/approved-machine.ts'
import { putEntryInFront, putOnBoot } from '../../support/attack.ts'

/*
 * SEAL without the register that holds a file: what no predicted register speaks of must be vouched for all the same. Of a gzip file with
 * bytes behind it this program cannot tell what GRUB loads (the first member), and no package owns a file of a new name.
 */

const OTHER = '6.6.99-1.qubes.fc37.x86_64'
const packed = (bytes: Uint8Array | string): Buffer =>
  Buffer.concat([gzipSync(Buffer.from(bytes)), gzipSync(Buffer.from('x'))])

const withSeal =
  (...pcrs: readonly number[]) =>
  (m: SimMachine): void =>
    setSeal(m, pcrs)

it('SEAL without PCR 19: a kernel and an initramfs of somebody else get no forward seal', async () => {
  const m = await approvedMachine(withSeal(13, 17, 18))
  update(m, NEXT_XEN)
  putEntryInFront(m, (entry) => entry.replaceAll(KERNEL_RELEASE, OTHER))
  putOnBoot(m, `/vmlinuz-${OTHER}`, packed('an evil kernel'))
  putOnBoot(m, `/initramfs-${OTHER}.img`, packed('an evil initramfs'))
  const { exit, outcomes, said } = await start(m)
  expect(outcomes.filter((text) => text.startsWith('forward-seal:'))).toEqual([])
  expect(exit).toBe(1)
  expect(said).toContain(`/vmlinuz-${OTHER}`)
})

it('SEAL without PCR 18: a Xen of somebody else gets no forward seal', async () => {
  const m = await approvedMachine(withSeal(13, 17, 19))
  update(m, NEXT_XEN)
  const [name = ''] = bootFilesOf(m)
    .names()
    .filter((one) => /^xen-[\d.]+\.gz$/.test(one))
  putEntryInFront(m, (entry) => entry.replaceAll(name, 'xen-4.17.99.gz'))
  putOnBoot(m, '/xen-4.17.99.gz', packed('an evil Xen'))
  const { exit, outcomes, said } = await start(m)
  expect(outcomes.filter((text) => text.startsWith('forward-seal:'))).toEqual([])
  expect(exit).toBe(1)
  expect(said).toContain('/xen-4.17.99.gz')
})
