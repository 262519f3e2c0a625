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

  it('is proven by the banks that the image and the log have in common', () => {
    const line = `${XEN} -- panic=10`
    const logged = measured(line, 'the old Xen')
    const proof = ask('xen', line, {
      logged: { ...logged, digests: { ...logged.digests, sha1: 'b'.repeat(40) } },
      images: [{ sha256: sha256('the old Xen') }],
      banks: ['sha1', 'sha256'],
    })
    expect(proof).toEqual({ state: 'proven', by: 'launch log' })
  })

  it('is proven by other means where there is no log, or no rule by which lines are measured', () => {
    const images = [{ sha256: sha256('the old Xen') }]
    const logged = measured(XEN, 'the old Xen')
    expect(ask('xen', XEN, { images, logged })).toEqual({ state: 'proven', by: 'launch log' })
    expect(ask('xen', XEN, { images, logged: null })).toEqual({ state: 'proven', by: 'xl info' })
    expect(ask('xen', XEN, { images, logged, rule: null })).toEqual({ state: 'proven', by: 'xl info' })
    // Without a rule no digest is made up of a line, by whatever rule it would fit.
    const cut = { ...logged, digests: measured('init=/x', 'the old Xen').digests }
    expect(ask('xen', 'placeholder init=/x', { images, logged: cut, rule: null }).state).toBe('changed')
  })

  /* A tboot before 1.9.4 hashes what follows the first word, which AEM makes one that nobody reads. */
  it('is proven by the log of a tboot that drops the first word only where that one is the placeholder', () => {
    const images = [{ sha256: sha256('the old Xen') }]
    const logged = measured('smt=off -- panic=10', 'the old Xen')
    const rule = 'first-word-stripped'
    const cut = (line: string) => ask('xen', line, { logged, images, rule })
    expect(cut('placeholder smt=off -- panic=10')).toEqual({ state: 'proven', by: 'launch log' })
    expect(cut('iommu=no smt=off -- panic=10').state).toBe('changed')
    expect(ask('xen', 'smt=off -- panic=10', { logged, images })).toEqual({
      state: 'proven',
      by: 'launch log',
    })
    const empty = { logged: measured('', 'the old Xen'), images, rule } as const
    expect(ask('initramfs', '', empty)).toEqual({ state: 'proven', by: 'launch log' })
    expect(ask('initramfs', 'init=/x', empty).state).toBe('changed')
  })

  it('may be empty but for the placeholder', () => {
    const boot = { ...BOOT, tboot: '' }
    expect(ask('mle', 'placeholder', { boot })).toEqual({ state: 'proven', by: "tboot's log" })
    expect(ask('mle', '', { boot })).toEqual({ state: 'proven', by: "tboot's log" })
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

  it.each([
    ['xen', XEN],
    ['kernel', KERNEL],
  ] as const)('is not proven without the word that AEM puts first: %s', (role, line) => {
    const cut = line.replace('placeholder ', '')
    expect(ask(role, line, { logged: null }).state).toBe('proven')
    expect(ask(role, cut, { logged: null }).state).toBe('unproven')
    // Where no command line is measured with a module, AEM's UEFI form has lines without it.
    expect(ask(role, cut, { logged: null, rule: null }).state).toBe('proven')
  })

  it('is another one though the placeholder stands somewhere in it', () => {
    const boot = { ...BOOT, tboot: 'a placeholder b' }
    expect(ask('mle', 'c placeholder b', { boot }).state).toBe('changed')
  })

  it('is not proven by an `xl info` that showed what goes to the kernel: Xen cuts that off', () => {
    const line = `${XEN} -- panic=10`
    const why = '`xl info` does not show what follows " -- "'
    expect(ask('xen', line, { boot: { ...BOOT, xen: line } })).toEqual({
      state: 'changed',
      before: line,
      now: line,
    })
    expect(ask('xen', line, { boot: { ...BOOT, xen: null } })).toEqual({ state: 'unproven', why })
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

  it('is noapic, and acpi= where Xen has one, after whatever line the kernel has', () => {
    const xen = `${BOOT.xen} acpi=off noapic`
    const stateWith = (line: string, kernel: string) =>
      ask('kernel', line, { boot: { ...BOOT, kernel, xen } }).state
    expect(stateWith(KERNEL, `${KERNEL} noapic acpi=off`)).toBe('proven')
    expect(stateWith('placeholder', 'acpi=off')).toBe('proven')
    expect(stateWith('', 'placeholder acpi=off')).toBe('proven')
  })

  it.each([
    ['a word of its own form', `${KERNEL} init=/bin/sh`],
    ['one that begins so', `${KERNEL} acpi=off,x`],
    ['one that ends so', `${KERNEL} xacpi=off`],
    ['one of two', `${KERNEL} acpi=off init=/bin/sh`],
    ['and not after another line', `${KERNEL.replace(' ro ', ' rw ')} acpi=off`],
  ])('is nothing else where Xen has an acpi=: %s', (_, kernel) => {
    const boot = { ...BOOT, kernel, xen: `${BOOT.xen} acpi=off` }
    expect(ask('kernel', KERNEL, { boot }).state).toBe('changed')
  })

  it('does not hide what stands in front of the line', () => {
    const boot = { ...BOOT, kernel: 'init=/xx ro acpi=off acpi=off', xen: 'acpi=off' }
    expect(ask('kernel', 'ro acpi=off', { boot }).state).toBe('changed')
  })

  it('does not count otherwise', () => {
    const odd = { ...BOOT, kernel: `${KERNEL} acpi=off`, xen: `${BOOT.xen} xacpi=off` }
    expect(ask('kernel', KERNEL, { boot: odd }).state).toBe('changed')
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
    // Xen cuts at the first one.
    expect(isLineOfBoot('xen', `${XEN} -- panic=10 -- quiet`, BOOT)).toBe(true)
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
    expect(compareWords('a b', 'x y a b')).toEqual({ added: ['x', 'y'], removed: [] })
    expect(describeWordChange(compareWords('a b', 'b a'))).toContain('another order')
    expect(describeWordChange(compareWords('a  b', 'a b'))).toContain('other blanks')
    expect(compareWords('a placeholder b', 'c placeholder b')).toEqual({ added: ['c'], removed: ['a'] })
  })
})

describe("another device's kernel line", () => {
  it("is compared as this boot's, but for the one word that names the device", () => {
    expect(exchangeAemUuid('ro aem.uuid=B quiet', 'B', 'A')).toBe('ro aem.uuid=A quiet')
    expect(exchangeAemUuid('ro aem.uuid=C quiet', 'B', 'A')).toBe('ro aem.uuid=C quiet')
    expect(exchangeAemUuid('xaem.uuid=B', 'B', 'A')).toBe('xaem.uuid=B')
  })
})
