import { describe, expect, it } from 'vitest'
import {
  accountForFile,
  isBehindLater,
  isOfInitramfs,
  type LaterFile,
  type LaterUpdate,
} from '../../../src/core/decide/since-start.ts'

const KERNEL: LaterUpdate = {
  name: 'kernel',
  evr: '1000:6.6.42-1.qubes.fc37',
  component: 'kernel',
  before: '1000:6.6.36-1.qubes.fc37',
  isVerified: true,
  fault: null,
}
const RELEASE = '6.6.42-1.qubes.fc37.x86_64'

const FILE: LaterFile = {
  name: `/vmlinuz-${RELEASE}`,
  role: 'kernel',
  sha256: 'aa',
  isGone: false,
  owner: { name: 'kernel', evr: KERNEL.evr, sha256: 'aa', signerKnown: true },
  isReproduced: false,
  isBooted: true,
  isBootKnown: true,
}

const account = (changes: Partial<LaterFile>, later: readonly LaterUpdate[] = [KERNEL]) =>
  accountForFile({ ...FILE, ...changes }, later)

const IMAGE = { name: `/initramfs-${RELEASE}.img`, role: 'initramfs', owner: null } as const

describe('a boot file that is another one than at `start`', () => {
  it('is accounted for by the package that came since', () => {
    expect(account({})).toBe('kernel 1000:6.6.42-1.qubes.fc37 (before: 1000:6.6.36-1.qubes.fc37)')
    expect(account({ ...IMAGE, isReproduced: true })).not.toBeNull()
    expect(account({ ...IMAGE, isBooted: false })).not.toBeNull()
    expect(account({ name: '/grub2/grub.cfg', role: 'grub.cfg', owner: null })).not.toBeNull()
    expect(account({ isGone: true, sha256: null, isBooted: false, owner: null })).not.toBeNull()
  })

  it.each([
    ['no package came', {}, []],
    ['the package is not verified', {}, [{ ...KERNEL, isVerified: false }]],
    ['the bytes are others', { sha256: 'ab' }, [KERNEL]],
    ['nobody owns it', { owner: null }, [KERNEL]],
    ['its owner is signed by an unknown key', { owner: { ...FILE.owner!, signerKnown: false } }, [KERNEL]],
    [
      'its package was there before',
      { owner: { ...FILE.owner!, evr: '1000:6.6.36-1.qubes.fc37' } },
      [KERNEL],
    ],
    ['it stands in another role', { role: 'xen' }, [KERNEL]],
    ['it cannot be read', { sha256: null }, [KERNEL]],
    ['the initramfs of this boot is not made again', IMAGE, [KERNEL]],
    ['which entry booted is not known', { ...IMAGE, isBooted: false, isBootKnown: false }, [KERNEL]],
    ['grub.cfg, and which entry booted is not known', { role: 'grub.cfg', isBootKnown: false }, [KERNEL]],
    ['grub.cfg that is gone', { role: 'grub.cfg', isGone: true, sha256: null }, [KERNEL]],
    ['what this boot loaded is gone', { isGone: true, sha256: null }, [KERNEL]],
    ['it is a SINIT module', { name: '/SINIT.BIN', role: 'sinit' }, [KERNEL]],
  ] as const)('is not where %s', (_why, changes, later) => {
    expect(account(changes, later)).toBeNull()
  })

  it('a device that a later package did not reach is as it was confirmed, where its file is unchanged', () => {
    expect(isBehindLater({ role: 'kernel', isUnchanged: true }, [KERNEL])).toBe(true)
    expect(isBehindLater({ role: 'kernel', isUnchanged: false }, [KERNEL])).toBe(false)
    expect(isBehindLater({ role: 'xen', isUnchanged: true }, [KERNEL])).toBe(false)
    expect(isBehindLater({ role: 'sinit', isUnchanged: true }, [KERNEL])).toBe(false)
  })

  it.each(['xen', 'kernel', 'tboot', 'aem'] as const)(
    'its grub.cfg may be the one from before a later package of %s',
    (component) => {
      const later = [{ ...KERNEL, component }]
      expect(isBehindLater({ role: 'grub.cfg', isUnchanged: true }, later)).toBe(true)
    },
  )

  it('its grub.cfg is not the one from before where only microcode came', () => {
    const later = [{ ...KERNEL, component: 'microcode' as const }]
    expect(isBehindLater({ role: 'grub.cfg', isUnchanged: true }, later)).toBe(false)
  })
})

describe('which package accounts for a boot file', () => {
  const OLD = '1000:6.6.36-1.qubes.fc37'
  const XEN: LaterUpdate = {
    ...KERNEL,
    name: 'xen-hypervisor',
    evr: '2001:4.17.4-4.fc37',
    component: 'xen',
    before: null,
  }
  const owner = (name: string, evr: string) => ({ ...FILE.owner!, name, evr })

  it('is the one that brought it, among others', () => {
    const kernel = 'kernel 1000:6.6.42-1.qubes.fc37 (before: 1000:6.6.36-1.qubes.fc37)'
    expect(account({}, [XEN, KERNEL])).toBe(kernel)
    const xen = { name: '/xen-4.17.4.gz', role: 'xen', owner: owner('xen-hypervisor', XEN.evr) }
    expect(account(xen, [KERNEL, XEN])).toBe('xen-hypervisor 2001:4.17.4-4.fc37')
    expect(account({ ...IMAGE, isReproduced: true }, [KERNEL, XEN])).toBe(
      `${kernel}, xen-hypervisor ${XEN.evr}`,
    )
  })

  it('is every one that came for tboot, which has one file of one name', () => {
    const tboot = { ...KERNEL, name: 'tboot', evr: '1:1.10.5-1.fc37', component: 'tboot' as const }
    const file = { name: '/tboot.gz', role: 'tboot', owner: owner('tboot', tboot.evr) }
    expect(account(file, [tboot])).toContain('tboot 1:1.10.5-1.fc37')
    expect(account({ ...file, name: '/tboot-old.gz' }, [tboot])).toBeNull()
  })

  it.each<[string, Partial<LaterFile>, readonly LaterUpdate[]]>([
    [
      'an older version of the package, as it is installed beside the new one',
      { name: '/vmlinuz-6.6.36-1.qubes.fc37.x86_64', owner: owner('kernel', OLD) },
      [KERNEL],
    ],
    ['another package of the same version', { owner: owner('kernel-latest', KERNEL.evr) }, [KERNEL]],
    ['a further module, whoever owns it', { role: 'module' }, [KERNEL]],
    ['tboot that is gone', { name: '/tboot.gz', role: 'tboot', isGone: true, isBooted: false }, [KERNEL]],
    [
      'a SINIT module that is gone',
      { name: '/SINIT.BIN', role: 'sinit', isGone: true, isBooted: false },
      [KERNEL],
    ],
    ['grub.cfg that is gone, though its bytes are told', { role: 'grub.cfg', isGone: true }, [KERNEL]],
    ['grub.cfg that cannot be read', { role: 'grub.cfg', sha256: null }, [KERNEL]],
    ['an initramfs that cannot be read', { ...IMAGE, isReproduced: true, sha256: null }, [KERNEL]],
    [
      'a file without a digest on both sides',
      { sha256: null, owner: { ...FILE.owner!, sha256: null } },
      [KERNEL],
    ],
    ['grub.cfg where no package came', { role: 'grub.cfg' }, []],
    ['an initramfs made again where no package came', { ...IMAGE, isReproduced: true }, []],
    ['a file that is gone where no package came', { isGone: true, isBooted: false }, []],
  ])('is none for %s', (_what, changes, later) => {
    expect(account(changes, later)).toBeNull()
  })
})

describe('a later package', () => {
  it.each([
    ['kernel', true],
    ['initramfs', true],
    ['microcode', true],
    ['aem', true],
    ['xen', false],
    ['tboot', false],
  ] as const)('of %s may bring another initramfs: %s', (component, isSo) => {
    expect(isOfInitramfs(component)).toBe(isSo)
    expect(isBehindLater({ role: 'initramfs', isUnchanged: true }, [{ ...KERNEL, component }])).toBe(isSo)
  })

  it('of another kind that came too changes nothing', () => {
    const xen = { ...KERNEL, component: 'xen' as const }
    expect(isBehindLater({ role: 'kernel', isUnchanged: true }, [xen, KERNEL])).toBe(true)
    expect(isBehindLater({ role: 'tboot', isUnchanged: true }, [xen, KERNEL])).toBe(false)
  })
})
