import { describe, expect, it } from 'vitest'
import {
  accountForFile,
  isBehindLater,
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
