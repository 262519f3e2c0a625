import { describe, expect, it } from 'vitest'
import { ABSENT, type Seen, seen, unknown } from '../../src/host/host.ts'
import { bootFileRole, listBootFiles, rpmDigest, xenImageName } from '../../src/observe/device/boot-files.ts'
import { listWanted } from '../../src/observe/device/wanted-files.ts'
import type { Dom0 } from '../../src/observe/dom0/dom0.ts'
import { makeFakeHost } from '../support/fake-host.ts'

/** Which files of a directory boot, and which of them the installed packages bring. */

const [A, B, C] = ['a'.repeat(64), 'b'.repeat(64), 'c'.repeat(64)]

it.each([
  ['tboot.gz', 'tboot'],
  ['tboot.gz.old', null],
  ['my-tboot.gz', null],
  ['tboot-syms', null],
  ['xen-4.17.4.gz', 'xen'],
  ['xen-4.17.4-rc1.gz', 'xen'],
  ['xen-4.17.efi.gz', 'xen'],
  ['xen-4.17.config.gz', 'xen'],
  ['xen-4.17.4.gz.bak', null],
  ['old-xen-4.17.4.gz', null],
  ['xen-4.17.4.efi', null],
  ['xen-4.17.4.config', null],
  ['xen-4.17.4.gz.config', null],
  ['xen-syms-4.17.4', null],
  ['xen-syms-4.17.4.gz', null],
  ['vmlinuz-6.6.36-1.qubes.fc37.x86_64', 'kernel'],
  ['.vmlinuz-6.6.36-1.qubes.fc37.x86_64.hmac', null],
  ['initramfs-6.6.36-1.qubes.fc37.x86_64.img', 'initramfs'],
  ['initramfs-6.6.36-1.qubes.fc37.x86_64.img.new', null],
  ['.initramfs-6.6.36-1.qubes.fc37.x86_64.img', null],
  ['SINIT.BIN', 'sinit'],
  ['SNB_IVB_SINIT_20190708_PW.BIN', 'sinit'],
  ['rkls-s_sinit_v1.bin', 'sinit'],
  ['SINIT.BIN.txt', null],
  ['SKL.BIN', 'sinit'],
  ['skl.bin', 'sinit'],
  ['SKL.BIN.old', null],
  ['my-skl.bin', null],
  ['config-6.6.36-1.qubes.fc37.x86_64', null],
  ['System.map-6.6.36-1.qubes.fc37.x86_64', null],
  ['grub2', null],
])('%s is a boot file of the role: %s', (name, role) => {
  expect(bootFileRole(name)).toBe(role)
})

it('the boot files of a directory are none where it is not there, and not known where it cannot be listed', async () => {
  const look = (answer: Seen<readonly string[]>) =>
    listBootFiles(makeFakeHost({ listDirectory: async () => answer }), '/boot')
  expect(await look(seen(['grub2', 'tboot.gz', 'config-6', 'vmlinuz-6']))).toEqual(['tboot.gz', 'vmlinuz-6'])
  expect(await look(ABSENT)).toEqual([])
  expect(await look(unknown('input/output error'))).toBeNull()
})

it("Xen's image has the version of its package in its name, and neither epoch nor release", () => {
  expect(xenImageName('2001:4.17.4-4.fc37')).toBe('xen-4.17.4.gz')
})

it('the digest of a file is the one of its path in that very version', () => {
  const files = [
    { evr: '0:1-1', path: '/boot/x', sha256: A },
    { evr: '0:2-1', path: '/boot/y', sha256: B },
    { evr: '0:2-1', path: '/boot/x', sha256: C },
    { evr: '0:2-1', path: '/boot/z', sha256: null },
  ]
  expect(rpmDigest(files, '0:2-1', '/boot/x')).toBe(C)
  expect(rpmDigest(files, '0:1-1', '/boot/x')).toBe(A)
  expect(rpmDigest(files, '0:1-1', '/boot/y')).toBeNull()
  expect(rpmDigest(files, '0:3-1', '/boot/x')).toBeNull()
  expect(rpmDigest(files, '0:2-1', '/boot/z')).toBeNull()
  expect(rpmDigest(null, '0:2-1', '/boot/x')).toBeNull()
})

describe('the files that the next boot should load', () => {
  type Files = readonly { evr: string; path: string; sha256: string | null }[]
  const KERNEL = '1000:6.6.36-1.qubes.fc37'
  const all: Readonly<Record<string, { evrs: readonly string[]; files: Files | null }>> = {
    'xen-hypervisor': {
      evrs: ['2001:4.17.3-1.fc37', '2001:4.17.4-4.fc37'],
      files: [
        { evr: '2001:4.17.3-1.fc37', path: '/boot/xen-4.17.3.gz', sha256: A },
        { evr: '2001:4.17.4-4.fc37', path: '/boot/xen-4.17.4.gz', sha256: B },
      ],
    },
    kernel: {
      evrs: ['1000:6.1.43-1.qubes.fc37', KERNEL],
      files: [
        { evr: '1000:6.1.43-1.qubes.fc37', path: '/boot/vmlinuz-6.1.43-1.qubes.fc37.x86_64', sha256: A },
        { evr: KERNEL, path: '/boot/System.map-6.6.36-1.qubes.fc37.x86_64', sha256: C },
        { evr: KERNEL, path: '/lib/modules/6.6.36-1.qubes.fc37.x86_64/vmlinuz', sha256: C },
        { evr: KERNEL, path: '/usr/share/boot/vmlinuz-6.6.36-1.qubes.fc37.x86_64', sha256: C },
        { evr: KERNEL, path: '/root/vmlinuz-6.6.36-1.qubes.fc37.x86_64', sha256: C },
        { evr: KERNEL, path: '/root/vmlinuz-6.6.36-1.qubes.fc37.x86_64/boot/x', sha256: C },
        { evr: KERNEL, path: '/boot/vmlinuz-6.6.36-1.qubes.fc37.x86_64', sha256: B },
        { evr: KERNEL, path: '/boot/tboot.gz', sha256: C },
      ],
    },
    'kernel-latest': {
      evrs: ['1000:6.9.2-1.qubes.fc37'],
      files: [{ evr: '1000:6.9.2-1.qubes.fc37', path: '/boot/vmlinuz-6.9.2-1.qubes.fc37.x86_64', sha256: C }],
    },
    tboot: {
      evrs: ['1:1.11.1-1.fc37'],
      files: [
        { evr: '1:1.10.5-2.fc37', path: '/boot/tboot.gz', sha256: A },
        { evr: '1:1.11.1-1.fc37', path: '/boot/tboot-syms', sha256: C },
        { evr: '1:1.11.1-1.fc37', path: '/boot/tboot.gz', sha256: B },
      ],
    },
  }
  const look = (installed: typeof all) => {
    const rpm = {
      packages: async (name: string) => seen((installed[name]?.evrs ?? []).map((evr) => ({ name, evr }))),
      files: async (name: string) => {
        const files = installed[name]?.files ?? null
        return files === null ? unknown('rpm failed') : seen(files)
      },
    }
    return listWanted({ rpm } as unknown as Dom0)
  }

  it('are those of the newest Xen, of both kernels and of tboot, with the digests of those very versions', async () => {
    expect(await look(all)).toEqual([
      { name: 'xen-4.17.4.gz', role: 'xen', sha256: B },
      { name: 'vmlinuz-6.6.36-1.qubes.fc37.x86_64', role: 'kernel', sha256: B },
      { name: 'vmlinuz-6.9.2-1.qubes.fc37.x86_64', role: 'kernel', sha256: C },
      { name: 'tboot.gz', role: 'tboot', sha256: B },
    ])
  })

  it.each(Object.keys(all))('are none of %s where it is not installed', async (name) => {
    const { [name]: _without, ...rest } = all
    const names = (await look(rest)).map(({ role, name: file }) => `${role} ${file}`)
    const others = (await look(all)).map(({ role, name: file }) => `${role} ${file}`)
    expect(others.filter((one) => names.includes(one))).toEqual(names)
    expect(names).toHaveLength(3)
  })

  it.each([
    ['kernel', 'kernel'],
    ['kernel-latest', 'kernel'],
    ['tboot', 'tboot'],
  ] as const)('have a row that is not known where the files of %s cannot be told', async (name, role) => {
    const row = { name: `(boot file of ${name})`, role, sha256: null, isUnknown: true }
    const own = all[name]!
    for (const files of [null, [], own.files!.map((file) => ({ ...file, evr: '0:0-0' }))]) {
      const found = await look({ ...all, [name]: { ...own, files } })
      expect(found).toHaveLength(4)
      expect(found).toContainEqual(row)
    }
  })

  it("has no digest of Xen where rpm's files cannot be read: it is wanted all the same", async () => {
    const found = await look({ ...all, 'xen-hypervisor': { ...all['xen-hypervisor']!, files: null } })
    expect(found[0]).toEqual({ name: 'xen-4.17.4.gz', role: 'xen', sha256: null })
  })
})
