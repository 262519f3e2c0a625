import { expect, it } from 'vitest'
import { type Host, seen, unknown } from '../../src/host/host.ts'
import { buildMachine, INTERNAL } from '../../src/host/simulated/build.ts'
import { makeSimulatedHost } from '../../src/host/simulated/host.ts'
import { bootFilesOf, KERNEL_RELEASE, sha256 } from '../../src/host/simulated/model.ts'
import { restartMachine } from '../../src/host/simulated/power.ts'
import type { AemDevice } from '../../src/observe/device/devices.ts'
import { observeDom0 } from '../../src/observe/dom0/dom0.ts'
import { reproduceInitramfsOf } from '../../src/observe/initramfs/of-device.ts'

/* The initramfs of a device, made again, on the built-in machine. */

const NAME = `initramfs-${KERNEL_RELEASE}.img`

async function reproduce(
  change: (device: AemDevice) => AemDevice | null = (device) => device,
  told: Partial<Host> = {},
) {
  const machine = buildMachine([INTERNAL], INTERNAL)
  restartMachine(machine)
  const dom0 = observeDom0({ ...makeSimulatedHost(machine), ...told })
  const device = change((await dom0.booted())!)
  const look = {
    kind: 'initramfs' as const,
    path: `/${NAME}`,
    kernelRelease: KERNEL_RELEASE,
    sha256: sha256(bootFilesOf(machine).get(NAME)!.bytes),
  }
  return reproduceInitramfsOf(dom0, { device }, look)
}

it('that lies on the device of this boot is the same', async () => {
  expect(await reproduce()).toMatchObject({ state: 'same' })
})

it('that lies on a device which is opened for the look is the same, and the device is closed again', async () => {
  const media = { opened: 0, closed: 0 }
  const told: Partial<Host> = {
    async openMedia({ mountPoint }) {
      media.opened += 1
      const close = async () => {
        media.closed += 1
      }
      return seen({ root: mountPoint ?? '/boot', close })
    },
  }
  expect(await reproduce((device) => ({ ...device, mountPoint: null }), told)).toMatchObject({
    state: 'same',
  })
  expect(media).toEqual({ opened: 1, closed: 1 })
})

it.each<[string, (device: AemDevice) => AemDevice | null, Partial<Host>]>([
  ['no device is known', () => null, {}],
  ['the device is out', (device) => ({ ...device, present: false, mountPoint: null }), {}],
  [
    'the device cannot be opened',
    (device) => ({ ...device, mountPoint: null }),
    { openMedia: async () => unknown('input/output error') },
  ],
])('where %s there is nothing to compare, and the file is named', async (_why, change, told) => {
  expect(await reproduce(change, told)).toMatchObject({
    state: 'impossible',
    code: 'unreadable',
    why: expect.stringContaining(`/${NAME}`),
  })
})
