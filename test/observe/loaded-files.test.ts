import { describe, expect, it } from 'vitest'
import { changeOneByte } from '../../src/host/simulated/boot-images.ts'
import { XEN_IMAGE } from '../../src/host/simulated/build.ts'
import { makeSimulatedHost } from '../../src/host/simulated/host.ts'
import { bootFilesOf, KERNEL_RELEASE, type SimMachine, sha256 } from '../../src/host/simulated/model.ts'
import { observeDom0 } from '../../src/observe/dom0/dom0.ts'
import { type BootDeviceLaunch, observeBootDeviceLaunch } from '../../src/observe/launch/launch.ts'
import { observeFiles } from '../../src/observe/launch/loaded-files.ts'
import { aSession, machineOf } from '../support/built-in.ts'

/* Each file that this boot loaded, with what vouches for its bytes, on the built-in machine. */

const [XEN, KERNEL, INITRAMFS] = [
  `/${XEN_IMAGE}`,
  `/vmlinuz-${KERNEL_RELEASE}`,
  `/initramfs-${KERNEL_RELEASE}.img`,
]

async function look(
  machine: SimMachine,
  changes: {
    readonly launch?: (launch: BootDeviceLaunch) => Partial<BootDeviceLaunch>
    readonly expectation?: object
    readonly isVouched?: (path: string, sha256: string) => boolean
  } = {},
) {
  const host = makeSimulatedHost(machine)
  const dom0 = observeDom0(host)
  const seen = await observeBootDeviceLaunch(host, await dom0.booted(), await dom0.machine(), null)
  const launch = { ...seen, ...changes.launch?.(seen) }
  const session = aSession({ expectation: (changes.expectation ?? null) as never })
  const files = await observeFiles(dom0, launch, session, changes.isVouched ?? (() => false))
  return { files, of: (path: string) => files.find((file) => file.path === path) }
}

describe('a file that this boot loaded', () => {
  it('is vouched for by the package that brought its bytes', async () => {
    const machine = machineOf('clean-update')
    const { of } = await look(machine)
    const { evr } = machine.packages.find(({ name }) => name === 'xen-hypervisor')!
    expect(of(XEN)).toMatchObject({
      reproduced: false,
      bulletin: null,
      package: {
        name: 'xen-hypervisor',
        evr,
        signer: expect.any(String),
        signerKnown: true,
        signatureFault: null,
        unmodified: true,
      },
    })
    expect(of(KERNEL)?.package).toMatchObject({ name: 'kernel', unmodified: true })
    expect(of('/tboot.gz')?.package).toMatchObject({ name: 'tboot', unmodified: true })
  })

  it('is modified where it has other bytes, whoever signed its package', async () => {
    const machine = machineOf('clean-update')
    const file = bootFilesOf(machine).get(XEN_IMAGE)!
    bootFilesOf(machine).set(XEN_IMAGE, { ...file, bytes: changeOneByte(file.bytes) })
    const { of } = await look(machine)
    expect(of(XEN)?.package).toMatchObject({ name: 'xen-hypervisor', signerKnown: true, unmodified: false })
    expect(of(KERNEL)?.package).toMatchObject({ unmodified: true })
  })

  it('is of no known signer where the key of its package is not listed', async () => {
    const machine = machineOf('clean-update')
    machine.packages = machine.packages.map((item) => ({ ...item, keyId: 'feedfacefeedface' }))
    expect((await look(machine)).of(XEN)?.package).toMatchObject({
      signer: null,
      signerKnown: false,
      signatureFault: expect.stringContaining('feedfacefeedface'),
    })
  })

  it('that no package has a digest of belongs to none', async () => {
    const { of } = await look(machineOf('clean-update'))
    expect(of(INITRAMFS)?.package).toBeNull()
    expect(of('/SINIT.BIN')?.package).toBeNull()
  })

  it('whose own digest is not known is neither modified nor unmodified, and nothing else vouches for it', async () => {
    const { of } = await look(machineOf('clean-update'), {
      launch: ({ images }) => ({ images: { [XEN]: { ...images[XEN]!, storedDigests: {} } } }),
      isVouched: () => true,
    })
    expect(of(XEN)).toMatchObject({ reproduced: false, package: { unmodified: null } })
  })

  it('is vouched for by its very path and bytes beside its package', async () => {
    const machine = machineOf('clean-update')
    const wanted = sha256(bootFilesOf(machine).get(INITRAMFS.slice(1))!.bytes)
    const { files } = await look(machine, {
      isVouched: (path, digest) => path === INITRAMFS && digest === wanted,
    })
    expect(files.filter(({ reproduced }) => reproduced).map(({ path }) => path)).toEqual([INITRAMFS])
  })

  it('is told with the bulletin of the update that changed its package, and no other', async () => {
    const expectation = { changedPackages: ['xen-hypervisor'], bulletins: [103] }
    const { files } = await look(machineOf('clean-update'), { expectation })
    expect(files.filter(({ bulletin }) => bulletin !== null)).toMatchObject([{ path: XEN, bulletin: '103' }])
    const none = await look(machineOf('clean-update'), { expectation: { ...expectation, bulletins: [] } })
    expect(none.files.every(({ bulletin }) => bulletin === null)).toBe(true)
  })
})

describe('the hashes of Xen as TrenchBoot launches it', () => {
  const [booted, next] = [{ entry: { sha256: 'booted' } }, { entry: { sha256: 'next' } }]
  const xenOf = async (bootedPath: string | null, nextPath: string | null) => {
    const entryOf = (path: string | null) =>
      ({ entry: path === null ? null : { launcher: { path } }, why: null }) as never
    const { files } = await look(machineOf('clean-update'), {
      launch: () => ({
        booted: entryOf(bootedPath),
        next: entryOf(nextPath),
        xen: { booted, next } as never,
      }),
    })
    return Object.fromEntries(files.filter(({ xen }) => xen !== null).map(({ path, xen }) => [path, xen]))
  }

  it('are those of the entry that loads the file, first of the one that was booted', async () => {
    expect(await xenOf(XEN, XEN)).toEqual({ [XEN]: booted })
    expect(await xenOf(XEN, KERNEL)).toEqual({ [XEN]: booted, [KERNEL]: next })
    expect(await xenOf(null, XEN)).toEqual({ [XEN]: next })
    expect(await xenOf(XEN, null)).toEqual({ [XEN]: booted })
    expect(await xenOf(null, null)).toEqual({})
  })
})
