import { gzipSync } from 'node:zlib'
import { expect, it } from 'vitest'
import { type Host, unknown } from '../../src/host/host.ts'
import { makeSimulatedHost } from '../../src/host/simulated/host.ts'
import {
  bootFilesOf,
  KERNEL_RELEASE,
  SELECTED_PCRS,
  type SimMachine,
  sha256,
} from '../../src/host/simulated/model.ts'
import { restartMachine } from '../../src/host/simulated/power.ts'
import { observeDom0 } from '../../src/observe/dom0/dom0.ts'
import { observeMeasuredInitramfs } from '../../src/observe/launch/measured-initramfs.ts'
import { machineOf } from '../support/built-in.ts'

/* Which initramfs on the device is known from the launch log of this boot, on the built-in machine. */

const INITRAMFS = `initramfs-${KERNEL_RELEASE}.img`

function known(machine: SimMachine, told: (own: Host) => Partial<Host> = () => ({})) {
  const own = makeSimulatedHost(machine)
  return observeMeasuredInitramfs(observeDom0({ ...own, ...told(own) }), SELECTED_PCRS)
}

it('it is the one that was measured, and no other file of the entry', async () => {
  const machine = machineOf('clean-update')
  restartMachine(machine)
  const { bytes } = bootFilesOf(machine).get(INITRAMFS)!
  expect(await known(machine)).toEqual([{ name: INITRAMFS, sha256: sha256(bytes) }])
})

it('one that was changed since is not known, until it was booted', async () => {
  const machine = machineOf('clean-update')
  restartMachine(machine)
  const file = bootFilesOf(machine).get(INITRAMFS)!
  const bytes = Buffer.concat([file.bytes, Buffer.from('evil')])
  bootFilesOf(machine).set(INITRAMFS, { ...file, bytes })
  expect(await known(machine)).toEqual([])
  restartMachine(machine)
  expect(await known(machine)).toEqual([{ name: INITRAMFS, sha256: sha256(bytes) }])
})

it('none is known where the log cannot be read', async () => {
  const withoutLog = (own: Host): Partial<Host> => ({
    run: async (call, input) => (call.id === 'launch-log' ? unknown('no log') : own.run(call, input)),
  })
  expect(await known(machineOf('clean-update'), withoutLog)).toEqual([])
})

it('one that GRUB unpacks is not known: what was measured is not what lies there', async () => {
  const machine = machineOf('clean-update')
  const file = bootFilesOf(machine).get(INITRAMFS)!
  bootFilesOf(machine).set(INITRAMFS, { ...file, bytes: gzipSync(file.bytes) })
  restartMachine(machine)
  expect(await known(machine)).toEqual([])
})

it.each([17, 18, 19])('none is known where the log does not lead to PCR %i', async (index) => {
  const machine = machineOf('clean-update')
  restartMachine(machine)
  machine.pcrs.sha256![index] = `${index}`.repeat(32)
  expect(await known(machine)).toEqual([])
})
