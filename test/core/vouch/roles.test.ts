import { describe, expect, it } from 'vitest'
import {
  findAgeFault,
  findNameFault,
  findPackageFault,
  isOlderKernel,
  kernelReleaseOf,
  type RunningVersions,
} from '../../../src/core/vouch/roles.ts'

const RELEASE = '6.6.36-1.qubes.fc37.x86_64'
const KERNEL = { name: 'kernel', evr: '1000:6.6.36-1.qubes.fc37' }
const XEN = { name: 'xen-hypervisor', evr: '2001:4.17.4-4.fc37' }
const RUNNING: RunningVersions = { kernelRelease: RELEASE, xen: '4.17.4', tboot: '1.10.5' }

describe('a file in its place', () => {
  it.each([
    ['mle', '/tboot.gz'],
    ['xen', '/xen-4.17.4.gz'],
    ['xen', '/xen-4.17.4~debug.gz'],
    ['kernel', `/vmlinuz-${RELEASE}`],
    ['initramfs', `/initramfs-${RELEASE}.img`],
  ] as const)('%s: %s', (role, path) => {
    expect(findNameFault(role, path, RELEASE)).toBeNull()
  })

  it.each([
    ['mle', '/tboot-evil.gz'],
    ['mle', '/sub/tboot.gz'],
    ['mle', '/tboot.gz.evil'],
    ['xen', '/sub/xen-4.17.4.gz'],
    ['xen', '/xen-4.17.4.gz.evil'],
    ['kernel', `/sub/vmlinuz-${RELEASE}`],
    ['kernel', `/vmlinuz-${RELEASE}/evil`],
    ['xen', `/vmlinuz-${RELEASE}`],
    ['xen', '/xen-4.17.4.config'],
    ['kernel', '/xen-4.17.4.gz'],
    ['initramfs', `/vmlinuz-${RELEASE}`],
    ['initramfs', '/initramfs-6.1.43-1.qubes.fc37.x86_64.img'],
    ['module', '/evil.bin'],
  ] as const)('is not %s: %s', (role, path) => {
    expect(findNameFault(role, path, RELEASE)).toContain(path)
  })

  it.each([`/sub/initramfs-${RELEASE}.img`, `/initramfs-${RELEASE}.img.evil`])(
    'is no initramfs, though no kernel is known to compare it with: %s',
    (path) => {
      expect(findNameFault('initramfs', path, null)).toBe(`${path} stands where the initramfs belongs`)
    },
  )

  it('reads the release that a name carries', () => {
    expect(kernelReleaseOf(`/initramfs-${RELEASE}.img/evil`)).toBeNull()
    expect(kernelReleaseOf(`/vmlinuz-${RELEASE}`)).toBe(RELEASE)
    expect(kernelReleaseOf(`/initramfs-${RELEASE}.img`)).toBe(RELEASE)
    expect(kernelReleaseOf('/boot/vmlinuz-x')).toBeNull()
    expect(kernelReleaseOf(null)).toBeNull()
  })
})

describe('a package behind a role', () => {
  it('brings the file of its own name', () => {
    expect(findPackageFault('xen', '/xen-4.17.4.gz', XEN)).toBeNull()
    expect(
      findPackageFault('xen', '/xen-4.17.4~debug.gz', { ...XEN, name: 'xen-hypervisor-debug' }),
    ).toBeNull()
    expect(findPackageFault('kernel', `/vmlinuz-${RELEASE}`, KERNEL)).toBeNull()
    expect(findPackageFault('kernel', `/vmlinuz-${RELEASE}`, { ...KERNEL, name: 'kernel-515' })).toBeNull()
    expect(findPackageFault('mle', '/tboot.gz', { name: 'tboot', evr: '1:1.10.5-2.fc37' })).toBeNull()
  })

  it.each([
    ['xen', `/vmlinuz-${RELEASE}`, KERNEL],
    ['kernel', '/xen-4.17.4.gz', XEN],
    ['mle', '/tboot.gz', XEN],
    ['xen', '/xen-4.17.3.gz', XEN],
    ['kernel', `/sub/vmlinuz-${RELEASE}`, KERNEL],
    ['kernel', `/vmlinuz-${RELEASE}`, { ...KERNEL, evr: '1000:6.6.37-1.qubes.fc37' }],
    ['kernel', `/vmlinuz-${RELEASE}`, { ...KERNEL, name: 'kernel-devel' }],
    ['kernel', `/vmlinuz-${RELEASE}`, { ...KERNEL, name: 'evil-kernel' }],
    ['xen', '/xen-4.17.4.gz', { ...XEN, name: 'not-xen-hypervisor' }],
    ['mle', '/tboot.gz', { name: 'tboot-evil', evr: '1:1.10.5-2.fc37' }],
    ['mle', '/tboot.gz', { name: 'evil-tboot', evr: '1:1.10.5-2.fc37' }],
    ['xen', '/xen-4.17.4.gz', { ...XEN, name: 'xen-hypervisor-evil' }],
    ['initramfs', `/initramfs-${RELEASE}.img`, KERNEL],
    ['module', '/evil.bin', KERNEL],
  ] as const)('never vouches for another: %s %s', (role, path, owner) => {
    expect(findPackageFault(role, path, owner)).toContain(path)
  })
})

describe('the age of a package', () => {
  it('is that of what runs, or newer', () => {
    expect(findAgeFault('kernel', KERNEL, KERNEL.evr, RUNNING)).toBeNull()
    const newer = { name: 'kernel', evr: '1000:6.6.48-1.qubes.fc37' }
    expect(findAgeFault('kernel', newer, newer.evr, RUNNING)).toBeNull()
    expect(findAgeFault('xen', XEN, XEN.evr, RUNNING)).toBeNull()
  })

  it('is not older than another installed one', () => {
    const newest = '1000:6.6.48-1.qubes.fc37'
    expect(findAgeFault('kernel', KERNEL, newest, RUNNING)).toContain(newest)
  })

  it('is not older than what runs, though nothing newer of its name is installed', () => {
    const old = { name: 'kernel', evr: '1000:6.1.43-1.qubes.fc37' }
    expect(findAgeFault('kernel', old, old.evr, RUNNING)).toContain(RELEASE)
    const xen = { ...XEN, evr: '2001:4.17.3-9.fc37' }
    expect(findAgeFault('xen', xen, xen.evr, RUNNING)).toContain('4.17.4')
    const tboot = { name: 'tboot', evr: '1:1.10.4-1.fc37' }
    expect(findAgeFault('mle', tboot, tboot.evr, RUNNING)).toContain('1.10.5')
  })

  it('of tboot is told by the newest installed one alone where its log names no version', () => {
    const tboot = { name: 'tboot', evr: '1:1.10.4-1.fc37' }
    expect(findAgeFault('mle', tboot, tboot.evr, { ...RUNNING, tboot: null })).toBeNull()
    expect(findAgeFault('mle', tboot, '1:1.10.5-2.fc37', { ...RUNNING, tboot: null })).toContain('1.10.5-2')
  })

  it('is no answer where something could not be read', () => {
    expect(findAgeFault('kernel', KERNEL, null, RUNNING)).toContain('could not be told')
    expect(findAgeFault('kernel', KERNEL, KERNEL.evr, { ...RUNNING, kernelRelease: null })).toContain(
      'could not',
    )
    expect(findAgeFault('xen', XEN, XEN.evr, { ...RUNNING, xen: null })).toContain('could not')
  })
})

/* rpm's order of version and release; the architecture, which `uname -r` prints too, is no part of it. */
it.each([
  ['6.6.36-1.qubes.fc37.x86_64', '6.6.48-1.qubes.fc37.x86_64', true],
  ['6.6.9-1.qubes.fc37.x86_64', '6.6.36-1.qubes.fc37.x86_64', true],
  ['6.6.36-1.qubes.fc37.x86_64', '6.6.36-2.qubes.fc37.x86_64', true],
  ['6.6.36-1.qubes.fc37.x86_64', '6.6.36-1.qubes.fc37.x86_64', false],
  ['6.6.36-1.qubes.fc37.i686', '6.6.36-1.qubes.fc37.x86_64', false],
  ['6.6.48-1.qubes.fc37.x86_64', '6.6.9-1.qubes.fc37.x86_64', false],
])('a kernel %s is older than %s: %s', (release, than, isOlder) => {
  expect(isOlderKernel(release, than)).toBe(isOlder)
})
