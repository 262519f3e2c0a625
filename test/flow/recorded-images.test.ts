import { gzipSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { type Host, unknown } from '../../src/host/host.ts'
import { XEN_IMAGE } from '../../src/host/simulated/build.ts'
import { makeSimulatedHost } from '../../src/host/simulated/host.ts'
import { bootFilesOf, KERNEL_RELEASE, type SimMachine } from '../../src/host/simulated/model.ts'
import { observeDom0 } from '../../src/observe/dom0/dom0.ts'
import { observeNextBoot } from '../../src/observe/launch/prediction.ts'
import { machineOf } from '../support/built-in.ts'

/** Images of which a recorded machine holds digests and no bytes, beside the same machine with the bytes. */

const INITRAMFS = `initramfs-${KERNEL_RELEASE}.img`
const GRUB = 'grub2/grub.cfg'

async function imagesOf(machine: SimMachine, change: Partial<Host> = {}) {
  const host = { ...makeSimulatedHost(machine), ...change }
  return (await observeNextBoot(observeDom0(host), [17, 18, 19])).place.launch.images
}

const WITHOUT_BYTES: Partial<Host> = { openFile: async () => unknown('not recorded') }

function change(machine: SimMachine, name: string, make: (bytes: Buffer) => Buffer): void {
  const file = bootFilesOf(machine).get(name)!
  bootFilesOf(machine).set(name, { ...file, bytes: make(Buffer.from(file.bytes)) })
}

function editGrub(machine: SimMachine, from: string, to: string): void {
  change(machine, GRUB, (bytes) => Buffer.from(bytes.toString('latin1').replaceAll(from, to), 'latin1'))
}

describe('an image with digests alone', () => {
  it('is what GRUB loads of the file itself: unpacked, but where the entry says --nounzip', async () => {
    const machine = machineOf('clean-update')
    change(machine, INITRAMFS, (bytes) => gzipSync(bytes))
    editGrub(machine, `module\t/${INITRAMFS}`, `module\t--nounzip /${INITRAMFS}`)
    const shown = (images: Awaited<ReturnType<typeof imagesOf>>) =>
      Object.entries(images).map(([path, { digests, storedDigests, kind }]) => {
        const [loaded, stored] = [digests.sha256, storedDigests.sha256]
        return { path, loaded, stored, isPacked: kind === 'gzip' }
      })
    const recorded = shown(await imagesOf(machine, WITHOUT_BYTES))
    expect(recorded).toEqual(shown(await imagesOf(machine)))
    const formOf = (name: string) => {
      const { loaded, stored, isPacked } = recorded.find(({ path }) => path === `/${name}`)!
      return { isPacked, isUnpackedByGrub: loaded !== stored }
    }
    expect(formOf(XEN_IMAGE)).toEqual({ isPacked: true, isUnpackedByGrub: true })
    expect(formOf(INITRAMFS)).toEqual({ isPacked: true, isUnpackedByGrub: false })
    expect(formOf(`vmlinuz-${KERNEL_RELEASE}`)).toEqual({ isPacked: false, isUnpackedByGrub: false })
  })

  it('cannot be told where grub.cfg loads another decompressor, but for gzip', async () => {
    const machine = machineOf('clean-update')
    editGrub(machine, '\tinsmod ext2', '\tinsmod ext2\n\tinsmod xzio')
    const images = await imagesOf(machine, WITHOUT_BYTES)
    expect(images[`/vmlinuz-${KERNEL_RELEASE}`]).toMatchObject({
      digests: {},
      problem: expect.stringContaining('loads a decompressor'),
    })
    expect(images[`/${XEN_IMAGE}`]).toMatchObject({ problem: null })
  })
})
