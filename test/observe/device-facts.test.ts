import { describe, expect, it } from 'vitest'
import { ABSENT, type Host, seen, unknown } from '../../src/host/host.ts'
import { INTERNAL, STICK, XEN_IMAGE } from '../../src/host/simulated/build.ts'
import { makeSimulatedHost } from '../../src/host/simulated/host.ts'
import { findDevice, KERNEL_RELEASE, type SimMachine } from '../../src/host/simulated/model.ts'
import { bootFileRole, listBootFiles } from '../../src/observe/device/boot-files.ts'
import { isBootedPresent, observeAllDevices } from '../../src/observe/device/devices.ts'
import { observeDom0 } from '../../src/observe/dom0/dom0.ts'
import { observeStatus } from '../../src/observe/dom0/status.ts'
import { machineOf } from '../support/built-in.ts'

/** What is read of AEM devices and of what lies on them, on the built-in machine with a stick. */

const unreadable = unknown('input/output error')
const KERNEL = `vmlinuz-${KERNEL_RELEASE}`

function hostOf(machine: SimMachine, told: (own: Host) => Partial<Host> = () => ({})): Host {
  const own = makeSimulatedHost(machine)
  return { ...own, ...told(own) }
}

describe('without an answer of lsblk', () => {
  const devicesOf = async (told: (own: Host) => Partial<Host>) => {
    const host = hostOf(machineOf('two-devices'), (own) => ({
      ...told(own),
      run: async (call, input) => (call.id === 'lsblk' ? unreadable : own.run(call, input)),
    }))
    const all = await observeAllDevices(host, { aemUuid: INTERNAL.uuid })
    return { ...all, isPresent: isBootedPresent(all, INTERNAL.uuid) }
  }
  const link = (answer: Awaited<ReturnType<Host['statFile']>>) => (own: Host) => ({
    statFile: async (path: string) => (path.startsWith('/dev/disk/by-uuid/') ? answer : own.statFile(path)),
  })
  const stat = seen({ kind: 'link', sizeBytes: 0, mtimeMs: 0, mode: 0o777 } as const)

  it('the device of this boot is there by the link of its UUID, or is not; another one is not known', async () => {
    for (const [answer, expected] of [
      [stat, true],
      [ABSENT, false],
      [unreadable, null],
    ] as const) {
      const { devices, isComplete } = await devicesOf(link(answer))
      const present = (label: string) => devices.find((one) => one.label === label)?.present
      expect([present('aem'), present('aem.stick'), isComplete]).toEqual([expected, null, false])
    }
  })

  it('it is never said that the device is out: there may be others', async () => {
    expect((await devicesOf(link(stat))).isPresent).toBe(true)
    expect((await devicesOf(link(ABSENT))).isPresent).toBeNull()
  })
})

it("every other device is a foreign one where dom0's own list cannot be read; only a recording may leave it out", async () => {
  const strangers = async (kind: Host['kind'], answer: Awaited<ReturnType<Host['listDirectory']>>) => {
    const host = hostOf(machineOf('two-devices'), () => ({ kind, listDirectory: async () => answer }))
    const { devices, isComplete } = await observeAllDevices(host, { aemUuid: INTERNAL.uuid })
    return [isComplete, ...devices.flatMap(({ label, isForeign }) => (isForeign ? [label] : []))]
  }
  for (const kind of ['real', 'recorded'] as const)
    expect(await strangers(kind, seen(['aem', 'aem.stick']))).toEqual([true])
  expect(await strangers('real', unreadable)).toEqual([false, 'aem.stick'])
  expect(await strangers('recorded', unreadable)).toEqual([false])
  expect(await strangers('recorded', ABSENT)).toEqual([true, 'aem.stick'])
})

describe('the boot files of a directory', () => {
  const look = (answer: Awaited<ReturnType<Host['listDirectory']>>) =>
    listBootFiles(
      hostOf(machineOf('clean-update'), () => ({ listDirectory: async () => answer })),
      '/boot',
    )

  it('are none where it is not there, and not known where it cannot be listed', async () => {
    expect(await look(ABSENT)).toEqual([])
    expect(await look(unreadable)).toBeNull()
  })

  it('are those with such names', async () => {
    const names = [
      'tboot.gz',
      XEN_IMAGE,
      KERNEL,
      'xen-4.17.4.efi',
      'config-1',
      'SINIT.BIN',
      'initramfs-1.img',
      'x',
    ]
    const files = await look(seen(names))
    expect(files?.map((name) => [name, bootFileRole(name)])).toEqual([
      ['tboot.gz', 'tboot'],
      [XEN_IMAGE, 'xen'],
      [KERNEL, 'kernel'],
      ['SINIT.BIN', 'sinit'],
      ['initramfs-1.img', 'initramfs'],
    ])
  })
})

it('what is sealed for a device is not known where dom0 cannot say which TPM it is', async () => {
  const statusOf = async (told: (own: Host) => Partial<Host>) =>
    (await observeStatus(observeDom0(hostOf(machineOf('clean-update'), told)))).devices[0]
  expect(await statusOf(() => ({}))).toMatchObject({
    sealed: true,
    copies: { dom0: { sealed: true }, areSame: true },
  })
  expect(await statusOf(() => ({ readLink: async () => unreadable }))).toMatchObject({
    sealed: null,
    binding: null,
    tokenSha256: null,
    copies: { dom0: { sealed: null }, areSame: null },
  })
})

describe('the boot files of a device', () => {
  const bootFilesOf = async (
    change: (files: Map<string, { bytes: Uint8Array; mtimeMs: number }>) => void,
  ) => {
    const machine = machineOf('two-devices')
    change(findDevice(machine, STICK.uuid)!.files)
    const { devices } = await observeStatus(observeDom0(makeSimulatedHost(machine)))
    return devices.find(({ label }) => label === 'aem.stick')?.bootFiles
  }
  const other = { bytes: Buffer.from('another one'), mtimeMs: 0 }

  it('are current where Xen and the kernels are those of the packages', async () => {
    expect(await bootFilesOf(() => undefined)).toBe('current')
  })

  it.each([
    ['without its kernel', (files: Map<string, unknown>) => void files.delete(`/${KERNEL}`)],
    ['with another kernel', (files: Map<string, unknown>) => void files.set(`/${KERNEL}`, other)],
    ['with another Xen', (files: Map<string, unknown>) => void files.set(`/${XEN_IMAGE}`, other)],
    [
      'with a Xen of another name alone',
      (files: Map<string, unknown>) => {
        files.set('/xen-4.17.3.gz', files.get(`/${XEN_IMAGE}`))
        files.delete(`/${XEN_IMAGE}`)
      },
    ],
  ])('are stale %s', async (_, change) => {
    expect(await bootFilesOf(change as never)).toBe('stale')
  })

  it('are absent without any Xen', async () => {
    expect(await bootFilesOf((files) => void files.delete(`/${XEN_IMAGE}`))).toBe('absent')
  })
})

it('a device of which it is not known whether it is there is not out', () => {
  const presentOf = (present: boolean | null) =>
    isBootedPresent({ devices: [{ uuid: 'a', present }] as never, isComplete: true }, 'a')
  expect([true, false, null].map(presentOf)).toEqual([true, false, null])
})
