/* Long: one table for each step from a configuration to its files. */
import { describe, expect, it } from 'vitest'
import type { BootEntry } from '../../../src/core/launch/boot-entry.ts'
import { originalPath, resolveEfiEntry, roleName } from '../../../src/core/launch/efi-entry.ts'
import { parseGrubConfig } from '../../../src/core/launch/grub-cfg.ts'
import { parseXenSection } from '../../../src/core/launch/xen-cfg.ts'
import { isPrintingAlone } from '../../../src/core/vouch/printing-words.ts'
import type { Host } from '../../../src/host/host.ts'
import { isEntryRegenerated } from '../../../src/observe/device/regenerated-entry.ts'

const ENTRY: BootEntry = {
  title: 'AEM',
  titlePath: ['AEM'],
  id: 'AEM',
  flavour: 'trenchboot',
  form: 'uefi',
  efi: { xenPath: '/EFI/qubes/xen-4.17.4.efi', configPath: '/EFI/qubes/xen-4.17.4.cfg', section: 'a' },
  launcher: null,
  modules: [],
  sinit: [],
  insmods: [],
  problems: [],
}

describe("Xen's configuration, read as Xen reads it", () => {
  it.each([
    ['a comment in a line', '[a]\nkernel=k one #two\n', 'k one '],
    ['a comment line', '[a]\n;kernel=x\nkernel=k\n', 'k'],
    ['blanks before a value, and behind it', '  [a]\n  kernel=  k  \n', 'k  '],
    ['a blank before the sign is another key', '[a]\nkernel =x\nkernel=k\n', 'k'],
    ['a tab ends a line', '[a]\nkernel=k\tx\n', 'k'],
    ['a key of another section is not taken', '[a]\noptions=o\n[b]\nkernel=x\n', null],
    ['the last line without its end', '[a]\noptions=o\nkernel=k', null],
  ])('%s', (_, text, kernel) => {
    expect(parseXenSection(text, 'a')?.kernel).toBe(kernel)
  })

  it.each([
    ['[a]\nkernel=k\nucode=u\n', 'ucode'],
    ['[a]\nkernel=k\nxsm=u\n', 'xsm'],
    ['[global]\nchain=x\n[a]\nkernel=k\n', 'global'],
    ['[a]\nkernel=k\nkernel=l\n', 'twice'],
    ['[a]\nkernel=k\u00a0l\n', 'printable'],
    ['[a]\nkernel=k', 'line end'],
    [`[a]\nkernel=k\n${'#'.repeat(300_000)}\n`, 'bytes'],
  ])('what no script writes there is a problem: %j', (text, word) => {
    expect(parseXenSection(text, 'a')?.problems.join()).toContain(word)
  })

  it('takes a file of 256 KiB whole, and finds one byte more too long', () => {
    const head = '[a]\nkernel=k\n'
    const ofLength = (length: number) => `${head}${'#'.repeat(length - head.length - 1)}\n`
    const problemsOf = (length: number) => parseXenSection(ofLength(length), 'a')?.problems
    expect(problemsOf(256 * 1024)).toEqual([])
    expect(problemsOf(256 * 1024 + 1)).toEqual(['has 262145 bytes'])
  })

  it('tells whether a Xen that is told no section reads the same', () => {
    expect(parseXenSection('[a]\nkernel=k\n[b]\nkernel=l\n', 'a')?.isFirst).toBe(true)
    expect(parseXenSection('[a]\nkernel=k\n[b]\nkernel=l\n', 'b')?.isFirst).toBe(false)
    expect(parseXenSection('[a]\nkernel=k\n[b]\nkernel=k\nramdisk=r\n', 'a')?.isFirst).toBe(false)
  })

  it('names no file elsewhere, and hands over the options as they stand', () => {
    for (const kernel of ['..\\evil', 'a/b', '\\evil'])
      expect(resolveEfiEntry(ENTRY, `[a]\nkernel=${kernel} x\n`).problems).not.toEqual([])
    const { modules, launcher } = resolveEfiEntry(ENTRY, '[a]\nkernel=aem-vmlinuz-1  ro  x\n')
    expect(modules[0]).toMatchObject({ path: '/efi/EFI/qubes/aem-vmlinuz-1', commandLine: ' ro  x' })
    expect(launcher).toMatchObject({ role: 'xen', path: '/efi/EFI/qubes/xen-4.17.4.efi', commandLine: '' })
    expect(modules[0]?.nounzip).toBe(true)
  })
})

describe('the UEFI form with the files of its configuration', () => {
  const read = (text: string | null, changes: Partial<BootEntry> = {}) =>
    resolveEfiEntry({ ...ENTRY, problems: ['before'], ...changes }, text)
  const FILE = '/EFI/qubes/xen-4.17.4.cfg on the EFI system partition'

  it('has kernel and initramfs in the order of Xen', () => {
    const found = read(
      '[a]\noptions=placeholder console=none\nkernel=aem-vmlinuz-1 ro\nramdisk=aem-initramfs-1.img\n',
    )
    const file = { nounzip: true }
    expect(found.launcher).toEqual({
      ...file,
      role: 'xen',
      path: '/efi/EFI/qubes/xen-4.17.4.efi',
      commandLine: 'placeholder console=none',
      order: 0,
    })
    expect(found.modules).toEqual([
      { ...file, role: 'kernel', path: '/efi/EFI/qubes/aem-vmlinuz-1', commandLine: 'ro', order: 1 },
      { ...file, role: 'initramfs', path: '/efi/EFI/qubes/aem-initramfs-1.img', commandLine: '', order: 2 },
    ])
    expect([found.problems, found.efi?.isFirst]).toEqual([['before'], true])
    expect(read('[a]\nkernel=k\n').modules).toMatchObject([{ path: '/efi/EFI/qubes/k', commandLine: '' }])
  })

  it.each([
    [null, 'could not be read'],
    ['[b]\nkernel=k\n', 'has no section a with a kernel'],
    ['[a]\noptions=k\n', 'has no section a with a kernel'],
  ])('of %j has none', (text, why) => {
    const found = read(text)
    expect(found).toEqual({ ...ENTRY, problems: ['before', `${FILE} ${why}`] })
  })

  it.each([
    ['kernel=k\nramdisk=../i', '../i'],
    ['kernel=.k', '.k'],
    ['kernel=k\\l', 'k\\l'],
    ['kernel=', ''],
    [`kernel=-${'k'.repeat(90)}`, `-${'k'.repeat(79)}`],
    ['kernel=k\u00e4', 'k?'],
  ])('with %j names no file, and has no modules', (lines, shown) => {
    const found = read(`[a]\n${lines}\n`)
    expect(found.problems).toContain(`${FILE} names the file "${shown}"`)
    expect(found.modules).toEqual([])
  })

  it('has the problems of the configuration', () => {
    expect(read('[a]\nkernel=k\nucode=u\n').problems).toEqual([
      'before',
      `${FILE} sets "ucode", which AEM's script does not write`,
    ])
  })

  it('is no matter of any other entry', () => {
    for (const changes of [{ form: 'bios' }, { efi: null }] as const)
      expect(read('[a]\nkernel=k\n', changes)).toEqual({ ...ENTRY, problems: ['before'], ...changes })
  })
})

describe('the file of /boot behind a name', () => {
  it.each([
    ['/x/efi/EFI/qubes/aem-v', '/x/efi/EFI/qubes/aem-v', '/x/efi/EFI/qubes/aem-v'],
    ['/x/efi/EFI/qubes/xen-4.efi', '/x/efi/EFI/qubes/xen-4.efi', '/x/efi/EFI/qubes/xen-4.efi'],
    ['/efi/EFI/qubes/x-aem-v', '/efi/EFI/qubes/x-aem-v', '/efi/EFI/qubes/x-aem-v'],
    ['/efi/EFI/qubes/xen-4.efi.bak', '/efi/EFI/qubes/xen-4.efi.bak', '/efi/EFI/qubes/xen-4.efi.bak'],
    ['/efi/EFI/qubes/my-xen-4.efi', '/efi/EFI/qubes/my-xen-4.efi', '/efi/EFI/qubes/my-xen-4.efi'],
    ['/xen-4.17.4-longer-name.efi', '/xen-4.17.4-longer-name.efi', '/xen-4.17.4-longer-name.efi'],
    ['/0123456789abcdxen-4.efi', '/0123456789abcdxen-4.efi', '/0123456789abcdxen-4.efi'],
    [
      '/0123456789abcdaem-/efi/EFI/qubes/x',
      '/0123456789abcdaem-/efi/EFI/qubes/x',
      '/0123456789abcdaem-/efi/EFI/qubes/x',
    ],
    ['/efi/EFI/qubes/aem-vmlinuz-6.6', '/vmlinuz-6.6', '/vmlinuz-6.6'],
    ['/efi/EFI/qubes/xen-4.17.4.efi', '/efi/EFI/qubes/xen-4.17.4.efi', '/xen-4.17.4.gz'],
    ['/efi/EFI/qubes/vmlinuz-6.6', '/efi/EFI/qubes/vmlinuz-6.6', '/efi/EFI/qubes/vmlinuz-6.6'],
    ['/efi/EFI/other/aem-vmlinuz-6.6', '/efi/EFI/other/aem-vmlinuz-6.6', '/efi/EFI/other/aem-vmlinuz-6.6'],
    ['/aem-vmlinuz-6.6', '/aem-vmlinuz-6.6', '/aem-vmlinuz-6.6'],
  ])('%s', (path, original, role) => {
    expect([originalPath(path), roleName(path)]).toEqual([original, role])
  })

  it('is none for GRUB: what it loads from /efi lies below the mounted partition, unseen', () => {
    const text = `menuentry 'AEM' {
	slaunch
	multiboot2 /xen-4.17.4.gz x
	module2 /efi/EFI/qubes/aem-vmlinuz-6.6 aem.uuid=u
}
`
    const world = { platform: 'pc', directory: '/grub2', files: new Map(), uuid: null } as const
    expect(parseGrubConfig(text, world).entries[0]?.problems.join()).toContain('mounted over it')
  })
})

describe('where Xen prints', () => {
  it.each([
    ['console=com1', 'console=none no-real-mode edd=off', true],
    ['console=com1', 'console=com1 loglvl=all', true],
    ['console=com1', 'console=com1 iommu=no', false],
    ['console=com1 smt=off', 'console=none', false],
    ['console=com1', 'console=none -- init=/evil', false],
    ['console=com1', 'console=none --', false],
    ['console=com1 -- quiet', 'console=none -- quiet', false],
    ['console=com1', 'console=com1', false],
    ['x', 'x console', false],
  ])('%j to %j: %s', (before, now, is) => {
    expect(isPrintingAlone(before, now)).toBe(is)
  })
})

it("AEM's script is not run to compare with in its UEFI form: it writes to the EFI system partition", async () => {
  const host = {
    run: () => {
      throw new Error('something was run')
    },
  } as unknown as Host
  const place = { device: { mountPoint: '/boot' }, launch: { next: { entry: ENTRY, why: null } } }
  expect(await isEntryRegenerated(host, place as never)).toBeNull()
})
