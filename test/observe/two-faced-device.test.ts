import { expect, test } from 'vitest'
import { Failure } from '../../src/core/failure.ts'
import { digestStream } from '../../src/host/digest.ts'
import { type Host, seen } from '../../src/host/host.ts'
import { changeOneByte } from '../../src/host/simulated/boot-images.ts'
import { copyBootFiles, XEN_IMAGE } from '../../src/host/simulated/build.ts'
import { makeSimulatedHost } from '../../src/host/simulated/host.ts'
import { bootFilesOf, KERNEL_RELEASE, type SimMachine } from '../../src/host/simulated/model.ts'
import { findBootedDevice, observeDevices } from '../../src/observe/device/devices.ts'
import { observeGrub } from '../../src/observe/device/grub.ts'
import { observeMachine } from '../../src/observe/dom0/machine.ts'
import { observeBootDeviceLaunch } from '../../src/observe/launch/launch.ts'
import { machineOf, outcomesOf, rehearse } from '../support/built-in.ts'

/*
 * A stick is a computer: it may answer the same read differently each time. What is measured, predicted or explained must
 * be exactly the bytes that are compared with the package, from one read.
 */

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes
}

const INITRAMFS = `initramfs-${KERNEL_RELEASE}.img`

const isXen = (path: string): boolean => path.endsWith(`/${XEN_IMAGE}`)

function xenOf(machine: SimMachine): Uint8Array {
  const file = bootFilesOf(machine).get(XEN_IMAGE)
  if (!file) throw new Error('no Xen on the boot device')
  return file.bytes
}

/** Booted from a stick that was brought up to date: dom0's own /boot is another copy, out of the attacker's reach. */
function stickMachine(): SimMachine {
  const machine = machineOf('stale-stick')
  for (const device of machine.devices) {
    const sinit = device.files.get('/SINIT.BIN')
    copyBootFiles(machine, device)
    // What brings a device up to date leaves its SINIT module as it is.
    if (sinit !== undefined) device.files.set('/SINIT.BIN', sinit)
  }
  return machine
}

function putXenOnSticks(machine: SimMachine, bytes: Uint8Array): void {
  for (const device of machine.devices) device.files.set(`/${XEN_IMAGE}`, { bytes, mtimeMs: machine.nowMs })
}

test('a Xen that is another one in the second read is vouched for by nobody', async () => {
  const machine = machineOf('clean-update')
  const evil = changeOneByte(xenOf(machine))
  const { result } = await rehearse({
    machine,
    watch: (host: Host) => ({
      ...host,
      openFile: async (path) => (isXen(path) ? seen(once(evil)) : host.openFile(path)),
    }),
  })
  expect(outcomesOf(result).at(-1)).toBe('predict: unvouched')
})

test('an initramfs that is another one in a single read, whichever, is never sealed to', async () => {
  const ends: (string | undefined)[] = []
  for (let evilRead = 0, reads = Infinity; evilRead < reads; evilRead += 1) {
    const machine = machineOf('clean-update')
    const good = bootFilesOf(machine).get(INITRAMFS)
    if (!good) throw new Error('no initramfs on the boot device')
    const evil = Buffer.concat([good.bytes, Buffer.from('evil')])
    let [count, isOff] = [0, false]
    const { result } = await rehearse({
      machine,
      whileOff: () => {
        isOff = true
      },
      watch: (host: Host) => ({
        ...host,
        openFile: async (path) => {
          if (isOff || !path.endsWith(`/${INITRAMFS}`)) return host.openFile(path)
          return count++ === evilRead ? seen(once(evil)) : host.openFile(path)
        },
      }),
    })
    reads = count
    const outcomes = outcomesOf(result)
    // Sealed to the evil one, the secret would not appear in a boot of the good one.
    const first = outcomes.find((text) => text.startsWith('read-seal-outcome:'))
    if (outcomes.includes('forward-seal: sealed')) expect(first).toBe('read-seal-outcome: unsealed')
    ends.push(outcomes.at(-1))
  }
  expect(ends).toContain('predict: unvouched')
  expect(ends.length).toBeGreaterThan(1)
})

test('a changed Xen that shows the file of the package in the second read is an alarm after the restart', async () => {
  const machine = stickMachine()
  const good = xenOf(machine)
  let isEvil = false
  const { result } = await rehearse({
    machine,
    whileOff: () => {
      isEvil = true
      putXenOnSticks(machine, changeOneByte(good))
    },
    watch: (host: Host) => ({
      ...host,
      digestFile: async (path) =>
        isEvil && isXen(path) ? seen(await digestStream(once(good))) : host.digestFile(path),
    }),
  })
  expect(result.exit).toBe(4)
})

test('a tboot that is another one in the second read is not measured for the prediction', async () => {
  const machine = machineOf('clean-update')
  const host = makeSimulatedHost(machine)
  const look = async (own: Host) => {
    const facts = await observeMachine(own)
    const device = findBootedDevice(await observeDevices(own, facts), facts.aemUuid)
    return (await observeBootDeviceLaunch(own, device, facts, null)).tboot
  }
  const evil: Host = {
    ...host,
    readFile: async (path) => (path.endsWith('/tboot.gz') ? seen(Buffer.from('evil')) : host.readFile(path)),
  }
  expect(await look(host)).not.toBeNull()
  expect(await look(evil)).toBeNull()
})

test('a grub.cfg that cannot be read is not exchanged for another one beside it', async () => {
  const host = makeSimulatedHost(machineOf('clean-update'))
  const hidden: Host = {
    ...host,
    kind: 'real',
    readFile: async (path) => {
      if (path === '/boot/grub2/grub.cfg') return { state: 'unknown', why: 'a link' }
      return host.readFile(path === '/boot/grub/grub.cfg' ? '/boot/grub2/grub.cfg' : path)
    },
  }
  expect(await observeGrub(host, '/boot')).toMatchObject({ entries: expect.any(Array) })
  expect(await observeGrub(hidden, '/boot')).toBeInstanceOf(Failure)
})
