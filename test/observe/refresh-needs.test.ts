/* Long: one look at a device that may lack something, on the same files. */

import { describe, expect, it } from 'vitest'
import { emptyDeviceLedger, type LedgerLook } from '../../src/core/session/device-ledger.ts'
import { ABSENT, type FileStat, type Seen, seen, unknown } from '../../src/host/host.ts'
import type { AemDevice } from '../../src/observe/device/devices.ts'
import { observeRefresh } from '../../src/observe/device/refresh-needs.ts'
import type { Dom0 } from '../../src/observe/dom0/dom0.ts'
import { makeFailure } from '../../src/tables/failures.ts'
import { INTERNAL_UUID, STICK_UUID } from '../support/recorded-machine.ts'
import {
  DEVICE,
  digestOf,
  dom0Of,
  FILES,
  INITRAMFS,
  INSTALLED,
  KERNEL,
  LATEST,
  LATEST_KERNEL,
  PACKAGES,
  RELEASE,
  ROOT,
  type Told,
  type ToldFile,
  tbootEntry,
  XEN,
} from './device-world.ts'

/** What a refresh of a stick would copy, make and need. */

const MIB = 1024 * 1024
const MARGIN = 4 * MIB
const STICK: AemDevice = {
  ...DEVICE,
  label: 'aem.stick',
  uuid: STICK_UUID,
  isReadOnly: false,
  isForeign: false,
}
const BOOTED: AemDevice = { ...DEVICE, isReadOnly: false, isForeign: false }
const GRUB = tbootEntry({ line: `aem.uuid=${STICK_UUID}` })
const KEY = 'e022e58f8e34d89f'
const OLD = '6.1.43-1.qubes.fc37.x86_64'
const unreadable = unknown('input/output error')

type World = Told & {
  readonly ledger?: LedgerLook
  readonly device?: Partial<AemDevice>
  readonly more?: readonly AemDevice[]
  /** Xen's line of this boot. */
  readonly xenLine?: string
  readonly mounts?: string
  readonly grub2?: Seen<FileStat>
  readonly free?: Seen<number>
  readonly unit?: { readonly activeState: string } | null
  /** What rpm says of the signature, by the package; null: it is not signed. */
  readonly signed?: Readonly<Record<string, string | null>>
}

const statOf = (kind: FileStat['kind']): Seen<FileStat> =>
  seen({ kind, sizeBytes: 0, mtimeMs: 0, mode: 0o755 })

async function look(world: World = {}) {
  const { files = FILES, boot = FILES, grub = GRUB, signed = {}, unit = { activeState: 'inactive' } } = world
  const device = { ...STICK, ...world.device }
  const told = dom0Of({ ...world, files, boot, grub })
  const { host } = told.dom0
  const { rpm } = told.dom0
  const dom0 = {
    ...told.dom0,
    host: {
      ...host,
      async readFile(path: string) {
        if (path === '/proc/mounts')
          return world.mounts === undefined ? ABSENT : seen(Buffer.from(world.mounts))
        return path === `${ROOT}/grub2/grub.cfg` && typeof grub === 'string'
          ? seen(Buffer.from(grub))
          : ABSENT
      },
      async statFile(path: string) {
        if (path.startsWith('/sys/')) return ABSENT
        return path === `${ROOT}/grub2` ? (world.grub2 ?? statOf('directory')) : host.statFile(path)
      },
      freeBytes: async () => world.free ?? seen(1024 * MIB),
    },
    machine: async () => ({
      ...{ aemUuid: INTERNAL_UUID, kernelCommandLine: null, kernelRelease: RELEASE, bootTime: null },
      xen: { version: null, buildId: null, commandLine: world.xenLine ?? null },
    }),
    devices: async () => ({
      devices: [...(device.uuid === BOOTED.uuid ? [] : [BOOTED]), device, ...(world.more ?? [])],
      isComplete: true,
    }),
    log: async () => makeFailure('refresh-failed', { what: 'no log' }),
    seal: async () => ({ unit }),
    trustedKeys: async () => null,
    rpm: {
      ...rpm,
      async packages(name: string) {
        const found = await rpm.packages(name)
        const signatureKeyId = signed[name] === null ? null : KEY
        return found.state === 'seen' ? seen(found.value.map((one) => ({ ...one, signatureKeyId }))) : found
      },
      findings: async () => seen([]),
      headerWords: async (name: string) =>
        seen({
          exit: 0,
          stdout: '',
          stderr: `Header V4 Signature, key ID 8e34d89f: ${signed[name] ?? 'OK'}\n`,
        }),
    },
  } as unknown as Dom0
  const found = await observeRefresh(dom0, device, world.ledger ?? { state: 'absent' })
  expect(told.opened, 'the device is closed again').toEqual([])
  const failing = Object.fromEntries(found.checks.flatMap(({ id, ok }) => (ok === true ? [] : [[id, ok]])))
  const detail = (id: string) => found.checks.find((one) => one.id === id)?.detail
  return { ...found, failing, detail }
}

function ledgerWith(change: object, label = STICK.label): LedgerLook {
  const none = { verified: null, approved: null, forward: null, leftSince: null }
  const device = { label, uuid: STICK_UUID, knownFiles: [], ...none, ...change }
  return { state: 'read', ledger: { ...emptyDeviceLedger('2024-07-17T09:00:00.000Z'), devices: [device] } }
}
const knowing = (sha256: string, label?: string) =>
  ledgerWith({ knownFiles: [{ name: INITRAMFS, sha256 }] }, label)
const KNOWN = knowing(digestOf(INITRAMFS))
const NOBODY = 'nobody can say what is in the one that is there'
const without = (name: string): Readonly<Record<string, ToldFile>> =>
  Object.fromEntries(Object.entries(FILES).filter(([one]) => one !== name))

describe('a stick that has all', () => {
  it('passes each check, in their order, and lacks nothing where its initramfs is a known one', async () => {
    const { checks, plan, isBooted, changedLines, changedFiles, before } = await look({ ledger: KNOWN })
    expect(checks.map(({ id, ok }) => [id, ok])).toEqual(
      [
        ...['device-known', 'device-present', 'device-unique', 'device-writable', 'device-open'],
        ...['grub-directory', 'packages-signed', 'sources', 'device-space', 'aem-not-waiting'],
      ].map((id) => [id, true]),
    )
    expect(plan).toEqual({ copies: [], initramfs: [], makesGrubConfig: false, neededBytes: MARGIN })
    expect([isBooted, changedLines, changedFiles, before.isOpen]).toEqual([false, [], [], true])
  })

  it('is the one of this boot by its UUID', async () => {
    const device = { label: 'aem', uuid: INTERNAL_UUID }
    expect((await look({ device, grub: tbootEntry() })).isBooted).toBe(true)
  })
})

describe('an initramfs', () => {
  const planOf = async (world: World) => (await look(world)).plan.initramfs

  it.each<[string, LedgerLook]>([
    ['no ledger', { state: 'absent' }],
    ['a ledger that cannot be read', { state: 'unreadable', detail: 'x' }],
    ['one that knows another image', knowing('f'.repeat(64))],
    ['one that knows it of another device', knowing(digestOf(INITRAMFS), 'aem.other')],
  ])('is made again with %s', async (_, ledger) => {
    expect(await planOf({ ledger })).toEqual([{ kernel: RELEASE, why: NOBODY }])
  })

  it('is made again where it cannot be read, or is not there, or older than a package, though it was known', async () => {
    const withInitramfs = (file: ToldFile) => ({ ledger: KNOWN, files: { ...FILES, [INITRAMFS]: file } })
    expect(await planOf(withInitramfs({ sha256: null }))).toEqual([{ kernel: RELEASE, why: NOBODY }])
    expect(await planOf(withInitramfs({ mtimeMs: INSTALLED - 1 }))).toEqual([
      { kernel: RELEASE, why: 'it is older than a package it is made from' },
    ])
    expect(await planOf({ ledger: KNOWN, files: without(INITRAMFS) })).toEqual([
      { kernel: RELEASE, why: 'there is none' },
    ])
  })

  it('of an older kernel is not compared with the dates of packages', async () => {
    const name = `initramfs-${OLD}.img`
    const older = { evr: '1000:6.1.43-1.qubes.fc37', files: { [`/boot/vmlinuz-${OLD}`]: 'd'.repeat(64) } }
    const packages = { ...PACKAGES, kernel: { ...PACKAGES.kernel!, older } }
    const whyOf = async (file: ToldFile | undefined, isKnown: boolean) => {
      const names = isKnown ? [INITRAMFS, name] : [INITRAMFS]
      const ledger = ledgerWith({ knownFiles: names.map((one) => ({ name: one, sha256: digestOf(one) })) })
      const files = file === undefined ? FILES : { ...FILES, [name]: file }
      const { initramfs } = (await look({ packages, ledger, files })).plan
      expect(initramfs.filter(({ kernel }) => kernel !== OLD)).toEqual([])
      return initramfs[0]?.why ?? null
    }
    const old = { mtimeMs: INSTALLED - 1 }
    expect(await whyOf(old, true)).toBeNull()
    expect(await whyOf(old, false)).toBe(NOBODY)
    expect(await whyOf(undefined, true)).toBe('there is none')
  })
})

describe('what is copied', () => {
  const copiesOf = async (world: World) =>
    (await look({ ledger: KNOWN, ...world })).plan.copies.map(({ name, role, packageName, sha256 }) => [
      name,
      role,
      packageName,
      sha256,
    ])
  const packaged = (path: string, sha256: string | null): World => ({
    packages: {
      ...PACKAGES,
      kernel: { ...PACKAGES.kernel!, files: { ...PACKAGES.kernel!.files, [path]: sha256 } },
    },
  })
  const D = 'd'.repeat(64)

  it.each([
    ['tboot.gz', 'tboot', 'tboot'],
    [XEN, 'xen', 'xen-hypervisor'],
    [KERNEL, 'kernel', 'kernel'],
  ])(
    'is %s where the stick has another one, none, or one that cannot be read',
    async (name, role, packageName) => {
      const copy = [name, role, packageName, digestOf(name)]
      expect(await copiesOf({ files: { ...FILES, [name]: { sha256: D } } })).toEqual([copy])
      expect(await copiesOf({ files: { ...FILES, [name]: { sha256: null } } })).toEqual([copy])
      expect(await copiesOf({ files: without(name) })).toEqual([copy])
    },
  )

  it.each([
    [`/boot/config-${RELEASE}`, 'config'],
    [`/boot/vmlinuz-${OLD}`, 'kernel'],
    ['/boot/xen-4.17.3.gz', 'xen'],
    ['/boot/xen-4.17.3-rc1+x~1.gz', null],
    ['/boot/xen-4.17.3.gz.sig', null],
    ['/boot/xen-syms-4.17.3.gz', null],
    ['/boot/old/xen-4.17.3.gz', null],
    ['/boot/old/vmlinuz-6', null],
    ['/boot/vmlinuz-6/x', null],
    ['/boot/old/config-6', null],
    ['/boot/config-6/x', null],
    ['/boot/vmlinuz-', null],
    ['/boot/System.map-6', null],
    ['/root/vmlinuz-6', null],
    ['/boot/tboot-syms', null],
  ])('of %s has the role: %s', async (path, role) => {
    const name = path.slice('/boot/'.length)
    expect(await copiesOf(packaged(path, D))).toEqual(role === null ? [] : [[name, role, 'kernel', D]])
  })

  it('is the file of kernel-latest too', async () => {
    const packages = { ...PACKAGES, 'kernel-latest': LATEST_KERNEL }
    const name = `vmlinuz-${LATEST}`
    expect(await copiesOf({ packages })).toEqual([[name, 'kernel', 'kernel-latest', digestOf(name)]])
  })

  it('is no file without a digest', async () => {
    const files = { ...FILES, 'vmlinuz-6': {} }
    expect(await copiesOf({ ...packaged('/boot/vmlinuz-6', null), files })).toEqual([])
  })

  it('has the size that it has in dom0, and what is made that of the larger one that is there', async () => {
    const sized = (name: string, sizeBytes: number) => ({ ...FILES, [name]: { sizeBytes } })
    const neededOf = async (world: World) => (await look(world)).plan.neededBytes - MARGIN
    expect(await neededOf({ ledger: KNOWN, files: without(XEN), boot: sized(XEN, 5000) })).toBe(5000)
    expect(await neededOf({ ledger: KNOWN, files: without(XEN), boot: {} })).toBe(0)
    expect(await neededOf({ files: sized(INITRAMFS, 7000), boot: sized(INITRAMFS, 5000) })).toBe(7000)
    expect(await neededOf({ files: sized(INITRAMFS, 5000), boot: sized(INITRAMFS, 7000) })).toBe(7000)
    expect(await neededOf({ files: without(INITRAMFS), boot: sized(INITRAMFS, 7000) })).toBe(7000)
    expect(await neededOf({ files: without(INITRAMFS), boot: without(INITRAMFS) })).toBe(128 * MIB)
  })
})

describe('grub.cfg', () => {
  const makes = async (world: World) => {
    const { plan, changedLines } = await look({
      ledger: KNOWN,
      xenLine: 'placeholder console=none',
      ...world,
    })
    return [plan.makesGrubConfig, changedLines]
  }

  it('is made again where it has no good entry, or one whose words this boot did not use', async () => {
    expect(await makes({})).toEqual([false, []])
    expect(
      await makes({ grub: tbootEntry({ line: `aem.uuid=${STICK_UUID}`, xen: 'xen-4.17.3.gz' }) }),
    ).toEqual([true, []])
    expect(await makes({ grub: GRUB.replace('console=none', 'console=none iommu=no') })).toEqual([
      true,
      [`/${XEN}: + iommu=no`],
    ])
  })

  it('is made where there is none', async () => {
    expect(await makes({ grub: null })).toEqual([true, []])
  })
})

describe('a check that fails', () => {
  const failingOf = async (world: World) => (await look({ ledger: KNOWN, ...world })).failing

  it.each<[string, World, Readonly<Record<string, boolean | null>>]>([
    [
      'the UUID is another than the one that was seen',
      { ledger: ledgerWith({ uuid: INTERNAL_UUID }) },
      { 'device-known': false },
    ],
    ['another device has its label', { more: [{ ...STICK, uuid: '1234-abcd' }] }, { 'device-unique': false }],
    ['it has a switch', { device: { isReadOnly: true } }, { 'device-writable': false }],
    ['AEM waits for a device', { unit: { activeState: 'activating' } }, { 'aem-not-waiting': false }],
    ['it is not known what AEM does', { unit: null }, { 'aem-not-waiting': null }],
    ['grub2 is a link', { grub2: statOf('link') }, { 'grub-directory': false }],
    ['grub2 is a file', { grub2: statOf('file') }, { 'grub-directory': false }],
    ['grub2 cannot be looked at', { grub2: unreadable }, { 'grub-directory': null }],
    ['there is no room', { free: seen(MARGIN - 1) }, { 'device-space': false }],
    ['it is not known how much room there is', { free: unreadable }, { 'device-space': null }],
    ['a source was changed', { boot: { ...FILES, [XEN]: { sha256: 'e'.repeat(64) } } }, { sources: false }],
    ['a source is not there', { boot: without(KERNEL) }, { sources: false }],
    ['a package is not signed', { signed: { tboot: null } }, { 'packages-signed': false }],
    ['a signature is bad', { signed: { 'xen-hypervisor': 'BAD' } }, { 'packages-signed': false }],
    ['a key is not there', { signed: { kernel: 'NOKEY' } }, { 'packages-signed': false }],
    ['rpm says nothing of a signature', { signed: { kernel: '' } }, { 'packages-signed': false }],
    ['a package is signed badly that is not copied from', { signed: { dracut: 'BAD' } }, {}],
  ])('%s', async (_, world, failing) => {
    expect(await failingOf(world)).toEqual(failing)
  })

  it('names each package, and each version, that no known key vouches for', async () => {
    const older = { evr: '1000:6.1.43-1.qubes.fc37', files: {} }
    const packages = { ...PACKAGES, kernel: { ...PACKAGES.kernel!, older } }
    const { detail } = await look({ packages, signed: { kernel: null, tboot: 'BAD' } })
    expect(detail('packages-signed')).toMatch(
      /^not verified: tboot 1:1\.11\.1-1\.fc37 .+; kernel 1000:6\.1\.43-1\.qubes\.fc37 .+; kernel 1000:6\.6\.36-1\.qubes\.fc37 .+/,
    )
  })

  it('is one for each thing that a stick does not show that cannot be opened', async () => {
    const world = { host: { openMedia: async () => unreadable } }
    const { failing, plan, detail } = await look({ ledger: KNOWN, ...world })
    expect(failing).toEqual({
      'device-open': false,
      'grub-directory': null,
      sources: null,
      'device-space': null,
    })
    expect([plan.copies, plan.initramfs]).toEqual([[], []])
    expect(detail('grub-directory')).toBe('grub2 on it could not be looked at')
  })

  it('is none for a device of another label', async () => {
    expect(await failingOf({ more: [{ ...STICK, label: 'aem.other', uuid: '1234-abcd' }] })).toEqual({})
  })

  it('is one for a mount that is read-only, where it is mounted', async () => {
    const mounts = (options: string) => `/dev/sdb1 /other ext4 ro 0 0\n/dev/sda1 /mnt ext4 ${options} 0 0\n`
    const device = { mountPoint: '/mnt' }
    expect(await failingOf({ device, mounts: mounts('rw,relatime') })).toEqual({})
    expect(await failingOf({ device, mounts: mounts('ro,relatime') })).toEqual({ 'device-writable': false })
    expect(await failingOf({ device })).toEqual({})
    expect(await failingOf({ mounts: mounts('ro') })).toEqual({})
  })
})

describe('the room that copies left which were cut short', () => {
  const roomWith = async (name: string) => {
    const files = { ...FILES, [`.${name}.new`]: { sizeBytes: 100 } }
    return (await look({ ledger: KNOWN, files, free: seen(MARGIN - 100) })).failing['device-space'] ?? true
  }

  it.each([XEN, KERNEL, 'tboot.gz', INITRAMFS])('counts where %s will take it', async (name) => {
    expect(await roomWith(name)).toBe(true)
  })

  it('counts for no other file', async () => {
    expect(await roomWith('other.img')).toBe(false)
  })
})

it('a file that is neither of the package nor of an approved boot is told of a stick that was approved', async () => {
  const approved = { at: '2024-07-16T09:00:00.000Z', files: [{ sha256: 'a'.repeat(64) }] }
  const changedOf = async (sha256: string, label?: string) => {
    const ledger = ledgerWith({ approved, knownFiles: [] }, label)
    const { changedFiles } = await look({ ledger, files: { ...FILES, [XEN]: { sha256 } } })
    return changedFiles.map(({ path }) => path)
  }
  expect(await changedOf('e'.repeat(64))).toEqual([`${ROOT}/${XEN}`])
  expect(await changedOf('a'.repeat(64))).toEqual([])
  expect(await changedOf('e'.repeat(64), 'aem.other')).toEqual([])
})
