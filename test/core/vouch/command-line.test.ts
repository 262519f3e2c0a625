import { createHash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import type { LoggedModule } from '../../../src/core/launch/launch-log.ts'
import {
  type BootLines,
  compareWords,
  describeWordChange,
  exchangeAemUuid,
  isLineOfBoot,
  type LineQuestion,
  proveCommandLine,
} from '../../../src/core/vouch/command-line.ts'

/** As AEM's script and Qubes's defaults make them (anti-evil-maid 4.2.0, etc/grub.d/19_linux_xen_tboot). */
const XEN = 'placeholder console=none dom0_mem=min:1024M dom0_mem=max:4096M ucode=scan smt=off'
const KERNEL = 'placeholder root=/dev/mapper/qubes_dom0-root ro rhgb quiet aem.uuid=6d2f1c8e'
const TBOOT = 'placeholder logging=memory,serial'

const BOOT: BootLines = {
  kernel: KERNEL,
  // Xen drops the first word where a loader is not GRUB 2 (xen/arch/x86/setup.c, cmdline_cook).
  xen: XEN.replace('placeholder ', ''),
  tboot: TBOOT,
}

const sha256 = (...parts: readonly (Buffer | string)[]): string => {
  const hash = createHash('sha256')
  for (const part of parts) hash.update(part)
  return hash.digest('hex')
}

/** tboot's M = H(H(line) || H(image)), written again here so that the test does not lean on the program's own. */
function measured(line: string, image: string): LoggedModule {
  const digest = sha256(Buffer.from(sha256(line), 'hex'), Buffer.from(sha256(image), 'hex'))
  return { commandLine: line, digests: { sha256: digest } }
}

function ask(role: LineQuestion['role'], line: string, more: Partial<LineQuestion> = {}) {
  return proveCommandLine({
    role,
    line,
    kernelLine: KERNEL,
    logged: null,
    rule: 'whole',
    banks: ['sha256'],
    images: [],
    boot: BOOT,
    ...more,
  })
}

describe('a command line of this boot', () => {
  it('is proven by what the kernel, Xen and tboot say themselves', () => {
    expect(ask('kernel', KERNEL)).toEqual({ state: 'proven', by: '/proc/cmdline' })
    expect(ask('xen', XEN)).toEqual({ state: 'proven', by: 'xl info' })
    expect(ask('mle', TBOOT)).toEqual({ state: 'proven', by: "tboot's log" })
  })

  it('is proven by the launch log where digest and image fit', () => {
    const line = `${XEN} -- panic=10`
    const proof = ask('xen', line, {
      logged: measured(line, 'the old Xen'),
      images: [{ sha256: sha256('something else') }, { sha256: sha256('the old Xen') }],
    })
    expect(proof).toEqual({ state: 'proven', by: 'launch log' })
  })

  it('is proven by a launch log that lacks one of the banks of this TPM', () => {
    const line = `${XEN} -- panic=10`
    const image = { sha1: 'a'.repeat(40), sha256: sha256('the old Xen') }
    const asked = (banks: LineQuestion['banks']) =>
      ask('xen', line, { logged: measured(line, 'the old Xen'), images: [image], banks })
    expect(asked(['sha1', 'sha256'])).toEqual({ state: 'proven', by: 'launch log' })
    expect(asked(['sha1']).state).toBe('changed')
  })

  it('is not proven by a log that fits in one of two banks', () => {
    const image = { sha1: 'a'.repeat(40), sha256: sha256('the old Xen') }
    const line = `${XEN} iommu=no`
    const logged = measured(line, 'the old Xen')
    const proof = ask('xen', line, {
      logged: { ...logged, digests: { ...logged.digests, sha1: 'b'.repeat(40) } },
      images: [image],
      banks: ['sha1', 'sha256'],
    })
    expect(proof.state).toBe('changed')
  })

  it('is not proven by a log of another line or another image', () => {
    const images = [{ sha256: sha256('the old Xen') }]
    const line = `${XEN} iommu=no`
    expect(ask('xen', line, { logged: measured(XEN, 'the old Xen'), images }).state).toBe('changed')
    expect(ask('xen', line, { logged: measured(line, 'another Xen'), images }).state).toBe('changed')
  })

  it('counts for an initramfs only where there is none, as AEM writes it', () => {
    expect(ask('initramfs', '')).toEqual({ state: 'proven', by: 'none needed' })
    expect(ask('initramfs', 'init=/x').state).toBe('changed')
  })

  it('of a further module is shown by nothing', () => {
    expect(ask('module', '').state).toBe('unproven')
  })
})

describe('a command line that this boot did not use', () => {
  it.each([
    ['a word more', `${XEN} iommu=no`],
    ['a word less', XEN.replace(' smt=off', '')],
    ['another order', XEN.replace('ucode=scan smt=off', 'smt=off ucode=scan')],
    ['two blanks', XEN.replace(' smt=off', '  smt=off')],
  ])("on Xen's line: %s", (_, line) => {
    expect(ask('xen', line)).toEqual({ state: 'changed', before: BOOT.xen, now: line })
  })

  it.each(['-- systemd.run=/boot/x', '-- init=/bin/sh', '--', '-- '])(
    'is never proven by `xl info`, which hides it: %s',
    (tail) => {
      expect(ask('xen', `${XEN} ${tail}`).state).toBe('changed')
      expect(ask('xen', `${XEN} ${tail}`, { boot: { ...BOOT, xen: null } }).state).toBe('unproven')
    },
  )

  it("is not proven by `xl info` where the kernel got more than its own line: this boot's Xen handed it on", () => {
    const boot = { ...BOOT, kernel: `${KERNEL} systemd.run=/boot/x` }
    expect(ask('xen', XEN, { boot }).state).toBe('unproven')
    expect(ask('xen', XEN, { kernelLine: null }).state).toBe('unproven')
    // What is known to differ is said, whatever the kernel got.
    expect(ask('xen', `${XEN} iommu=no`, { boot }).state).toBe('changed')
  })

  it.each(['\u2003', '\u00a0', '\v', '\f'])('glues two words by a blank that is none: %j', (blank) => {
    const line = KERNEL.replace('rhgb quiet', `rhgb${blank}quiet`)
    expect(ask('kernel', line).state).toBe('changed')
    // Even where this boot ran with it: AEM's scripts do not write such a line.
    expect(ask('kernel', line, { boot: { ...BOOT, kernel: line } }).state).toBe('changed')
  })

  it.each([
    ['init=', `${KERNEL} init=/bin/sh`],
    ['a word removed', KERNEL.replace(' ro ', ' ')],
    ['another device', KERNEL.replace('aem.uuid=6d2f1c8e', 'aem.uuid=00000000')],
  ])("on the kernel's line: %s", (_, line) => {
    expect(ask('kernel', line).state).toBe('changed')
  })

  it('is unproven, not changed, where the boot does not tell', () => {
    const boot = { kernel: null, xen: null, tboot: null }
    for (const [role, line] of [
      ['kernel', KERNEL],
      ['xen', XEN],
      ['mle', TBOOT],
    ] as const)
      expect(ask(role, line, { boot }).state).toBe('unproven')
  })
})

describe('what Xen appends for the kernel', () => {
  it('counts where its own line asks for it', () => {
    const boot = { ...BOOT, kernel: `${KERNEL} acpi=off`, xen: `${BOOT.xen} acpi=off` }
    expect(ask('kernel', KERNEL, { boot }).state).toBe('proven')
  })

  it('does not count otherwise', () => {
    expect(ask('kernel', KERNEL, { boot: { ...BOOT, kernel: `${KERNEL} acpi=off` } }).state).toBe('changed')
    expect(ask('kernel', KERNEL, { boot: { ...BOOT, kernel: `${KERNEL} init=/x` } }).state).toBe('changed')
    expect(ask('kernel', KERNEL, { boot: { ...BOOT, kernel: `${KERNEL}x` } }).state).toBe('changed')
  })
})

describe('after the restart', () => {
  it('compares what the boot says with the line that was expected', () => {
    expect(isLineOfBoot('kernel', KERNEL, BOOT)).toBe(true)
    expect(isLineOfBoot('kernel', `${KERNEL} x`, BOOT)).toBe(false)
    expect(isLineOfBoot('xen', XEN, BOOT)).toBe(true)
    expect(isLineOfBoot('xen', `${XEN} -- panic=10`, BOOT)).toBe(true)
    expect(isLineOfBoot('xen', `${XEN} iommu=no`, BOOT)).toBe(false)
    expect(isLineOfBoot('kernel', KERNEL, { ...BOOT, kernel: null })).toBeNull()
    expect(isLineOfBoot('xen', XEN, { ...BOOT, xen: null })).toBeNull()
  })
})

describe('the words of a change', () => {
  it('are named one by one, doubled ones too', () => {
    const change = compareWords('placeholder a b b c', 'a b d')
    expect(change).toEqual({ added: ['d'], removed: ['b', 'c'] })
    expect(describeWordChange(change)).toBe('+ d, - b, - c')
    expect(describeWordChange(compareWords('a b', 'b a'))).toContain('another order')
  })
})

describe("another device's kernel line", () => {
  it("is compared as this boot's, but for the one word that names the device", () => {
    expect(exchangeAemUuid('ro aem.uuid=B quiet', 'B', 'A')).toBe('ro aem.uuid=A quiet')
    expect(exchangeAemUuid('ro aem.uuid=C quiet', 'B', 'A')).toBe('ro aem.uuid=C quiet')
    expect(exchangeAemUuid('xaem.uuid=B', 'B', 'A')).toBe('xaem.uuid=B')
  })
})
