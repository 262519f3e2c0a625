/* Long: one table for each rule of the scripts. */
import { describe, expect, it } from 'vitest'
import { describeLoads, findsNoKernel } from '../../../src/core/launch/grub-loads.ts'
import { BOOT_DEVICE, type LoadLine } from '../../../src/core/launch/grub-state.ts'
import { QUBES_GRUB } from '../../support/grub/qubes-grub-writer.ts'
import { deviceWith, runScript } from './grub-world.ts'

const UUID = QUBES_GRUB.uuid
const loadsOf = (...lines: readonly string[]) => runScript(lines.join('\n'), {}, 'entry').loads
const read = (lines: readonly string[], uuid: string | null = UUID) =>
  describeLoads(loadsOf(...lines), deviceWith({ uuid }))
const problemsOf = (...lines: readonly string[]) => read(lines).problems

/* qubes-antievilmaid 4.2.0, etc/grub.d/19_linux_xen_tboot, lines 125-150. */
const TBOOT = [
  'multiboot /tboot.gz placeholder logging=memory,serial',
  'module /xen-4.17.4.gz placeholder console=none',
  `module /vmlinuz-6.6.36 placeholder root=/dev/mapper/q-root ro aem.uuid=${UUID}`,
  'module /initramfs-6.6.36.img',
  'module /SNB_IVB_SINIT_20190708_PW.BIN',
] as const

/* TrenchBoot/qubes-antievilmaid 18a0a74, etc/grub.d/19_linux_xen_trenchboot, lines 129-168. */
const SLAUNCH = [
  'slaunch',
  'multiboot2 /xen-4.17.4.gz placeholder console=none',
  `module2 --nounzip /vmlinuz-6.6.36 placeholder root=/dev/mapper/q-root ro aem.uuid=${UUID}`,
  'module2 --nounzip /initramfs-6.6.36.img',
  'slaunch_module /SNB_IVB_SINIT_20190708_PW.BIN',
] as const
const UEFI = [
  'slaunch',
  'chainloader /EFI/qubes/xen-4.17.4.efi vmlinuz-6.6.36',
  'slaunch_module /SKL.BIN',
] as const

/** One line replaced, or left out. */
const changed = (lines: readonly string[], at: number, ...by: readonly string[]) =>
  lines.toSpliced(at, 1, ...by)
const putIn = (lines: readonly string[], at: number, line: string) => lines.toSpliced(at, 0, line)

describe('what an entry of AEM loads', () => {
  it('under tboot: tboot, then Xen, kernel and initramfs, and SINIT modules told by their name', () => {
    const found = read(TBOOT)
    expect(found).toMatchObject({ flavour: 'tboot', form: 'bios', efi: null, problems: [] })
    expect(found).not.toHaveProperty('isPartial')
    expect(found.launcher).toEqual({
      role: 'mle',
      path: '/tboot.gz',
      commandLine: 'placeholder logging=memory,serial',
      nounzip: false,
      order: 0,
    })
    expect(found.modules.map(({ role, path, order }) => [role, path, order])).toEqual([
      ['xen', '/xen-4.17.4.gz', 1],
      ['kernel', '/vmlinuz-6.6.36', 2],
      ['initramfs', '/initramfs-6.6.36.img', 3],
    ])
    expect(found.sinit.map(({ role, path, order }) => [role, path, order])).toEqual([
      ['module', '/SNB_IVB_SINIT_20190708_PW.BIN', 4],
    ])
  })

  it('by TrenchBoot: Xen, then kernel and initramfs as they are stored', () => {
    const found = read(SLAUNCH)
    expect(found).toMatchObject({ flavour: 'trenchboot', form: 'bios', efi: null, problems: [] })
    expect(found).not.toHaveProperty('isPartial')
    expect(found.launcher).toMatchObject({ role: 'xen', path: '/xen-4.17.4.gz', nounzip: false, order: 1 })
    expect(found.modules.map(({ role, nounzip, order }) => [role, nounzip, order])).toEqual([
      ['kernel', true, 2],
      ['initramfs', true, 3],
    ])
    expect(found.sinit.map(({ path }) => path)).toEqual(['/SNB_IVB_SINIT_20190708_PW.BIN'])
  })

  it("by TrenchBoot in its UEFI form: Xen's program and its configuration beside it", () => {
    const found = read(UEFI)
    expect(found).toMatchObject({
      flavour: 'trenchboot',
      form: 'uefi',
      launcher: null,
      modules: [],
      problems: [],
    })
    expect(found).not.toHaveProperty('isPartial')
    expect(found.efi).toEqual({
      xenPath: '/EFI/qubes/xen-4.17.4.efi',
      configPath: '/EFI/qubes/xen-4.17.4.cfg',
      section: 'vmlinuz-6.6.36',
    })
    expect(found.sinit.map(({ path }) => path)).toEqual(['/SKL.BIN'])
  })

  it('of more modules is told with no role of their own', () => {
    const roles = (lines: readonly string[], end: string) =>
      read([...lines, end]).modules.map(({ role }) => role)
    expect(roles(TBOOT, 'module /extra')).toEqual(['xen', 'kernel', 'initramfs', 'module'])
    expect(roles(SLAUNCH, 'module2 /extra')).toEqual(['kernel', 'initramfs', 'module'])
  })

  it('without an own launcher is another system, in which nothing is a problem', () => {
    const plain = ['multiboot2 /xen.gz x', 'module2 /vmlinuz y', 'module2 /initramfs']
    const found = read(plain)
    expect(found).toMatchObject({ flavour: 'other', form: 'bios', problems: [], launcher: { role: 'xen' } })
    expect(found.modules.map(({ role }) => role)).toEqual(['kernel', 'initramfs'])
    const others = read(['module /evil', 'chainloader +1', 'linux /vmlinuz'])
    expect(others).toMatchObject({ flavour: 'other', form: 'bios', efi: null, problems: [] })
    expect(read(['chainloader /EFI/qubes/xen-4.17.4.efi a'])).toMatchObject({ form: 'bios', efi: null })
  })

  it.each([
    ['/tboot.gz', 'tboot'],
    ['/boot/tboot-1.10.5.gz', 'tboot'],
    ['tboot', 'tboot'],
    ['/xtboot.gz', 'other'],
    ['/tboot/xen.gz', 'other'],
  ])('%s is %s', (path, flavour) => {
    expect(read([`multiboot ${path}`]).flavour).toBe(flavour)
    expect(read([`multiboot2 ${path}`]).flavour).toBe(flavour)
    expect(read([`module ${path}`]).flavour).toBe('other')
  })

  it.each([
    ['slaunch', 'trenchboot'],
    ['slaunch_module /SKL.BIN', 'trenchboot'],
    ['slaunch_state', 'trenchboot'],
    ['skl_module /SKL.BIN', 'other'],
  ])('a line %s makes it one of %s', (line, flavour) => {
    expect(read(['multiboot2 /tboot.gz', line]).flavour).toBe(flavour === 'other' ? 'tboot' : flavour)
  })

  it('has both kernels where GRUB is told one of each kind: that of multiboot counts', () => {
    const both = [...SLAUNCH, 'chainloader /EFI/qubes/xen-4.17.4.efi a']
    expect(read(both)).toMatchObject({ form: 'bios', efi: null, launcher: { path: '/xen-4.17.4.gz' } })
  })
})

describe('the name of a SINIT module', () => {
  it.each([
    ['/SNB_IVB_SINIT_20190708_PW.BIN', true],
    ['/5th_gen_i5_i7-sinit_79.bin', true],
    ['/skl.bin', true],
    ['/SKL.BIN', true],
    ['/a/SINIT.BIN', true],
    ['/xskl.bin', false],
    ['/sinit/module.bin', false],
    ['/sinit.bin.img', false],
    ['/sinitxbin', false],
  ])('%s: %s', (path, isSinit) => {
    const { modules, sinit } = read(changed(TBOOT, 4, `module ${path}`))
    expect([sinit.length, modules.length]).toEqual(isSinit ? [1, 3] : [0, 4])
  })

  it('is none of a file that is no module', () => {
    expect(read(changed(TBOOT, 0, 'multiboot /sinit.bin')).sinit).toHaveLength(1)
    expect(read(['linux /sinit.bin']).sinit).toEqual([])
  })

  it('stands behind the options', () => {
    expect(read(changed(TBOOT, 4, 'module --nounzip /SINIT.BIN')).sinit).toMatchObject([{ nounzip: true }])
  })

  it('of slaunch_module and skl_module is not asked for', () => {
    expect(
      read(['slaunch', 'skl_module /a.bin', 'slaunch_module /b.bin']).sinit.map(({ path }) => path),
    ).toEqual(['/a.bin', '/b.bin'])
  })
})

describe('options before the file name', () => {
  it.each([
    ['--nounzip /x a', true, '/x', 'a'],
    ['--quirk-bad-kludge --nounzip /x', true, '/x', ''],
    ['--quirk-modules-after-kernel /x --nounzip', false, '/x', '--nounzip'],
    ["/x '' 'a b'", false, '/x', ' "a b"'],
    ['/x--nounzip --nounzip', false, '/x--nounzip', '--nounzip'],
  ])('%s', (words, nounzip, path, commandLine) => {
    const [module] = read(changed(TBOOT, 1, `module ${words}`)).modules
    expect(module).toMatchObject({ nounzip, path, commandLine })
  })

  it.each(['--nounzip', '', '--quirk-a --quirk-b'])('alone name no file: %j', (words) => {
    const found = read(changed(TBOOT, 1, `module ${words}`))
    expect(found.problems).toEqual(['module names no file'])
    expect(found.isPartial).toBe(true)
    expect(found.modules).toHaveLength(2)
  })

  it('that GRUB does not know is no option but a name', () => {
    expect(problemsOf(...changed(TBOOT, 1, 'module --evil /x'))[0]).toContain('"--evil"')
  })
})

describe('what the scripts do not write', () => {
  const odd = (name: string) => `it runs "${name}", which AEM's scripts do not write`
  const MISPLACED = 'it loads something before "slaunch"'

  it.each([
    ['another loader', [...TBOOT, 'linux /vmlinuz'], [odd('linux')]],
    ['another loader twice', [...TBOOT, 'linux /vmlinuz', 'linux /b'], [odd('linux')]],
    ['two of them', [...TBOOT, 'linux /vmlinuz', 'initrd /b'], [odd('linux'), odd('initrd')]],
    ['a module of multiboot2', [...TBOOT, 'module2 /x'], ['module2 after multiboot: GRUB does not load it']],
    ['a module of multiboot', [...SLAUNCH, 'module /x'], ['module after multiboot2: GRUB does not load it']],
    ['a module of multiboot in the UEFI form', [...UEFI, 'module /x'], [odd('module')]],
    ['a module in the UEFI form', [...UEFI, 'module2 /x'], [odd('module2')]],
    ['a devicetree', [...SLAUNCH, 'devicetree /x'], [odd('devicetree')]],
    ['a second kernel', [...TBOOT, 'multiboot /b'], ['it loads more than one kernel']],
    ['a second Xen', [...SLAUNCH, 'multiboot2 /b'], ['it loads more than one kernel']],
    ['a second program', [...UEFI, UEFI[1]], ['it loads more than one kernel']],
    ['a module before tboot', putIn(TBOOT, 0, 'module /x'), ['it loads something before tboot']],
    ['a module before slaunch', putIn(SLAUNCH, 0, 'module2 /x'), [MISPLACED]],
    ['no slaunch', SLAUNCH.slice(1), [MISPLACED]],
    ['slaunch last', [...UEFI.slice(1), 'slaunch'], [MISPLACED]],
    ['slaunch twice', putIn(SLAUNCH, 1, 'slaunch'), ['"slaunch" stands there as no script writes it']],
    [
      'slaunch with a word',
      changed(SLAUNCH, 0, 'slaunch skinit'),
      ['"slaunch" stands there as no script writes it'],
    ],
    ['the state of the launch', [...SLAUNCH, 'slaunch_state'], []],
    ['that in the UEFI form', [...UEFI, 'slaunch_state'], []],
  ])('%s', (_, lines, problems) => {
    expect(problemsOf(...lines)).toEqual(problems)
  })

  it('tboot by multiboot2', () => {
    expect(problemsOf(...changed(TBOOT, 0, 'multiboot2 /tboot.gz'))).toContain(odd('multiboot2'))
  })
})

describe('a command line', () => {
  it.each([
    ['module', 'a\u00e4', 'U+00E4'],
    ['module', '\u0001\u00e4', 'U+0001'],
    ['module', 'a\u007fb', 'U+007F'],
    ['module', 'a\u20acb', 'U+20AC'],
  ])('of %s with %j names the first character that is not printable', (command, word, shown) => {
    const bytes = Buffer.from(word, 'utf8').toString('latin1')
    expect(problemsOf(...changed(TBOOT, 1, `${command} /x '${bytes}'`))).toEqual([
      `the command line of ${command} holds a character that is not printable ASCII: ${shown}`,
    ])
  })

  it('names a character that is no byte as it is', () => {
    expect(problemsOf(...changed(TBOOT, 1, "module /x 'a\u2003b'"))[0]).toMatch(/U\+2003$/)
    expect(problemsOf(...changed(TBOOT, 1, "module /x 'a\u00e4\u2003b'"))[0]).toMatch(/U\+00E4$/)
  })

  it.each([
    ["'\\\\x41'", true],
    ["a 'b\\\\xfF'", true],
    ["'\\\\x4'", false],
    ["'\\\\xg1'", false],
    ["'x41'", false],
  ])('with %s, which GRUB hands over in different forms: %s', (word, isOdd) => {
    const line = `module /x ${word.replaceAll('\\\\', '\\')}`
    expect(problemsOf(...changed(TBOOT, 1, line))).toEqual(
      isOdd ? ['the command line of module holds "\\x"'] : [],
    )
  })

  it.each(['$root', 'a=$root', `x ($prefix)`, 'b $prefix/grub.cfg'])(
    'with the name of a device: %s',
    (words) => {
      expect(problemsOf(...changed(TBOOT, 1, `module /x "${words}"`))).toEqual([
        'module hands over the name of a device, which only GRUB knows',
      ])
    },
  )
})

describe('the path of a line', () => {
  it('that is no clean file is a problem of the entry, which is then known in part', () => {
    const found = read(changed(TBOOT, 2, 'module (hd1)/vmlinuz'))
    expect(found.problems).toEqual([
      expect.stringContaining('module loads /vmlinuz from the GRUB device (hd1)'),
    ])
    expect(found.isPartial).toBe(true)
    expect(found.launcher).not.toBeNull()
    expect(read(changed(TBOOT, 0, 'multiboot (hd1)/tboot.gz')).launcher).toBeNull()
  })

  it('of a slaunch_module is one that the script looks for', () => {
    const of = (line: string) => problemsOf(...changed(SLAUNCH, 4, line))
    expect(of('slaunch_module /evil.bin')).toEqual([
      "slaunch_module loads /evil.bin, and AEM's script takes *SINIT*.BIN and SKL.BIN alone",
    ])
    expect(of('slaunch_module /SKL.BIN x')).toEqual(['slaunch_module is given more than a file'])
    expect(of('slaunch_module (hd1)/evil.bin')).toHaveLength(1)
    expect(problemsOf(...changed(TBOOT, 4, 'module /evil.bin x'))).toEqual([])
  })
})

describe('an entry that is known in part', () => {
  const unknown = changed(TBOOT, 1, 'module /xen-4.17.4.gz $cmdpath')

  it.each([
    ['all of it known', TBOOT, undefined],
    ['a word that is not known', unknown, true],
    ['a file that is not known', changed(TBOOT, 3, 'module'), true],
    ["another system's", ['linux /vmlinuz root=$cmdpath', 'initrd /i'], undefined],
    ['another system that names the device of AEM', ['linux /v aem.uuid=1 x', 'initrd $cmdpath/i'], true],
    ['one that names it later', ['linux /v x=aem.uuid=1', 'initrd $cmdpath/i'], undefined],
    ['one that names it, all of it known', ['linux /v aem.uuid=1', 'initrd /i'], undefined],
    ['the UEFI form', UEFI, undefined],
    ['the UEFI form with a word that is not known', [...UEFI, 'slaunch_module $cmdpath/SKL.BIN'], true],
    ['the UEFI form of another program', changed(UEFI, 1, 'chainloader /EFI/evil.efi a'), true],
    ['another program without slaunch', ['chainloader /EFI/evil.efi a'], undefined],
  ])('%s: %s', (_, lines, isPartial) => {
    expect(read(lines).isPartial).toBe(isPartial)
  })
})

describe('the file system that GRUB searched for', () => {
  const search = (uuid: string) => `search --no-floppy --fs-uuid --set=root ${uuid}`
  const told = (searched: string, ...named: readonly string[]) => {
    const words = named.map((one) => `aem.uuid=${one}`).join(' ')
    const lines = [search(searched), ...changed(TBOOT, 2, `module /vmlinuz placeholder ro ${words}`)]
    return read(lines, null).problems
  }

  it('is the one that the kernel is told, without case', () => {
    expect(told('12ab', '12ab')).toEqual([])
    expect(told('12AB', '12ab')).toEqual([])
    expect(told('12ab', '12AB')).toEqual([])
    expect(told('12ab')).toEqual([])
    expect(told('12ab', '12ab', '12ab')).toEqual([])
  })

  it.each([
    ['12ab', ['34cd']],
    ['12ab', ['12ab', '34cd']],
    ['12ab', ['34cd', '12ab']],
  ])('%s is not the one that the kernel is told: %j', (searched, named) => {
    expect(told(searched, ...named)).toEqual([
      `it loads from the file system ${searched}, and the kernel is told another one`,
    ])
  })

  it('counts at every line, and of the kernel alone', () => {
    const lines = [...TBOOT.slice(0, 3), search('34cd'), ...TBOOT.slice(3)]
    expect(read([search(UUID), ...lines], null).problems).toHaveLength(1)
    const inXen = changed(TBOOT, 1, 'module /xen.gz aem.uuid=1')
    expect(read([search(UUID), ...inXen], null).problems).toEqual([])
    expect(read([search(UUID), ...changed(TBOOT, 2, 'module /vmlinuz x.aem.uuid=1')], null).problems).toEqual(
      [],
    )
  })

  it('is no matter where the device is the one of grub.cfg, or in another system', () => {
    expect(read(changed(TBOOT, 2, 'module /vmlinuz aem.uuid=1')).problems).toEqual([])
    expect(read([search('12ab'), 'multiboot2 /xen', 'module2 /vmlinuz aem.uuid=1'], null).problems).toEqual(
      [],
    )
    const unknown = [...TBOOT.slice(0, 4), 'search --set=root --label x', TBOOT[4]]
    expect(read(unknown).problems).toEqual([expect.stringContaining('from a GRUB device that is not known')])
  })
})

describe('chainloader in the UEFI form', () => {
  const efiOf = (words: string, root = '') =>
    read([...(root === '' ? [] : [root]), ...changed(UEFI, 1, `chainloader ${words}`)])
  const ODD = 'chainloader stands there as no script writes it'

  it.each([
    '/EFI/qubes/xen-4.17.4.efi vmlinuz-6.6.36 x',
    '/EFI/qubes/xen-4.17.4.efi',
    "/EFI/qubes/xen-4.17.4.efi ''",
    "/EFI/qubes/xen-4.17.4.efi 'a b'",
    "/EFI/qubes/xen-4.17.4.efi ' a'",
    "/EFI/qubes/xen-4.17.4.efi 'a\u00e4'",
    '/EFI/qubes/xen-4.17.4.efi.bak a',
    '/EFI/qubes/xen-.efi a',
    '/EFI/qubes/xen-4/17.efi a',
    '/EFI/qubes/xen.efi a',
    '/x/EFI/qubes/xen-4.17.4.efi a',
    '($root)/EFI/qubes/xen-4.17.4.efi a',
    '+1',
  ])('%s', (words) => {
    const found = efiOf(words)
    expect([found.problems, found.efi, found.isPartial]).toEqual([[ODD], null, true])
  })

  it('takes the configuration beside the program', () => {
    expect(efiOf('/EFI/qubes/xen-4.efi.efi !~').efi).toEqual({
      xenPath: '/EFI/qubes/xen-4.efi.efi',
      configPath: '/EFI/qubes/xen-4.efi.cfg',
      section: '!~',
    })
  })

  it.each(['set root=hd1,gpt1', 'search --set=root --label x', 'search --set=root --fs-uuid 12ab'])(
    'after %s takes Xen from another device',
    (root) => {
      expect(efiOf('/EFI/qubes/xen-4.17.4.efi a', root).problems).toContain(
        'chainloader takes Xen from another device than GRUB started from',
      )
    },
  )
})

describe('an entry whose kernels GRUB does not find', () => {
  const on = (root: string | null, ...lines: readonly string[]): LoadLine[] =>
    lines.map((line) => {
      const [command = '', ...args] = line.split(' ')
      return { command, args, unknown: [], root }
    })

  it.each([
    ['no device', on('', 'chainloader /EFI/qubes/xen-4.17.4.efi a'), true],
    ['no device, with what is handed over', on('', ...UEFI, 'slaunch_state'), true],
    ['that of grub.cfg', on(BOOT_DEVICE, 'chainloader /x'), false],
    ['one that is not known', on(null, 'chainloader /x'), false],
    ['no kernel', on('', 'module /x', 'module2 /y', 'slaunch'), false],
    ['nothing', [], false],
    ['a device of its own', on('', 'chainloader (hd1)/x'), false],
    ['disk blocks', on('', 'chainloader +1'), false],
    ['one of two', [...on('', 'chainloader /x'), ...on('hd1', 'linux /y')], false],
    ['two', on('', 'chainloader /x', 'linux /y'), true],
    ['no name', on('', 'chainloader'), false],
  ])('%s: %s', (_, loads, isNone) => {
    expect(findsNoKernel(loads)).toBe(isNone)
  })

  it.each([
    ...['module', 'module2', 'slaunch', 'slaunch_state', 'slaunch_module', 'skl_module'],
    ...['initrd', 'initrd16', 'initrdefi', 'xen_module', 'devicetree'],
  ])('%s is handed to one, and is none', (command) => {
    expect(findsNoKernel(on('', 'chainloader /x', `${command} (hd1)/y`))).toBe(true)
  })

  it.each(['multiboot', 'multiboot2', 'linux', 'linux16', 'linuxefi', 'xen_hypervisor', 'kfreebsd', 'ntldr'])(
    '%s is one',
    (command) => {
      expect(findsNoKernel(on('', 'chainloader /x', `${command} (hd1)/y`))).toBe(false)
    },
  )
})
