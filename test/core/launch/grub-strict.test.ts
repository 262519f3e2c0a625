// biome-ignore-all lint/suspicious/noTemplateCurlyInString: variables of GRUB
import { describe, expect, it } from 'vitest'
import { parseGrubConfig } from '../../../src/core/launch/grub-cfg.ts'
import { decideNextEntry } from '../../../src/core/launch/grub-choose.ts'
import { writeQubesGrub } from '../../support/grub/qubes-grub-writer.ts'
import { asBytes } from './grub-edits.ts'
import { deviceWith } from './grub-world.ts'

const next = (text: string) => decideNextEntry(parseGrubConfig(asBytes(text), deviceWith()))
const TBOOT = writeQubesGrub()
const SLAUNCH = writeQubesGrub({ flavour: 'trenchboot' })

/** Before the first line that loads, in the entry that boots. */
const inEntry = (line: string, text = TBOOT) =>
  text.replace(/\t(?:multiboot|slaunch\n)/, (found) => `\t${line}\n${found}`)
const atEnd = (line: string, text = TBOOT) =>
  text.replace(/(\tmodule\t\/SNB\S+\n|\tslaunch_module\S*\t\/SNB\S+\n)/, `$1\t${line}\n`)

describe.each([
  ['tboot', TBOOT],
  ['TrenchBoot', SLAUNCH],
])('a command that AEM does not write into its entry (%s)', (_, text) => {
  it.each([
    ...['linux /vmlinuz init=/bin/sh', 'linux16 /x', 'initrd /evil.img', 'chainloader +1', 'acpi /evil.aml'],
    ...[
      'write_dword 0x10 0x20',
      'devicetree /evil.dtb',
      'loadfont /evil.pf2',
      'boot',
      'cutmem 0 1',
      'evil',
      'halt',
    ],
    ...[
      'terminal_output console',
      'password root x',
      'insmod /evil.mod',
      'set prefix=(hd1)/grub2',
      'eval "module /x"',
    ],
    ...[
      'for i in 1; do module /evil; done',
      'while true; do module /evil; done',
      '${evil}x /y',
      'configfile /x',
    ],
    ...[
      'source ${prefix}/user.cfg',
      'load_env -f /x',
      'if keystatus; then module /evil; fi',
      'cryptomount -a',
      'slaunch_state',
    ],
  ])('%s', (line) => {
    for (const edited of [inEntry(line, text), atEnd(line, text)]) {
      expect(edited).not.toBe(text)
      const { entry, why } = next(edited)
      // The one command that TrenchBoot's own GRUB has and that changes nothing may stand there.
      if (line === 'slaunch_state' && text === SLAUNCH && edited === atEnd(line, text))
        expect(entry).not.toBeNull()
      else expect(entry, why ?? edited).toBeNull()
    }
  })
})

describe('a command at the top of the file', () => {
  it.each([
    ...[
      'acpi /evil.aml',
      'write_dword 0x10 0x20',
      'linux /vmlinuz',
      'boot',
      'multiboot /tboot.gz',
      'module /evil',
    ],
    ...[
      'chainloader +1',
      'initrd /x',
      'evil',
      'cutmem 0 1',
      'badram 1,2',
      'insmod (hd1)/evil.mod',
      'configfile /x',
    ],
    ...[
      'if keystatus; then acpi /evil.aml; fi',
      'normal',
      'exit',
      'export default',
      'set fallback=1',
      'hook x',
    ],
  ])('%s', (line) => {
    expect(next(`${line}\n${TBOOT}`).entry).toBeNull()
    expect(next(`${TBOOT}\n${line}\n`).entry).toBeNull()
  })

  it('harmless ones are none', () => {
    for (const line of [
      'echo x',
      'terminal_output gfxterm',
      'play 480 440 1',
      'insmod part_gpt',
      'set pager=1',
    ])
      expect(next(`${line}\n${TBOOT}`).entry).not.toBeNull()
  })
})

describe('functions', () => {
  it.each(['module', 'multiboot', 'set', 'search', 'echo', '[', 'insmod'])(
    'a command goes before a function: %s',
    (name) => {
      const edited = `function ${name} {\n  module /evil\n}\n${TBOOT}`
      let why: string | null = 'GRUB does not take such a name'
      if (name !== '[') why = next(edited).why
      else expect(() => next(edited)).toThrow('out of place')
      expect(why).not.toBeNull()
    },
  )

  it("a function of somebody's own may be a command of some GRUB", () => {
    expect(next(inEntry('mine', `function mine {\n  true\n}\n${TBOOT}`)).why).toContain('the function mine')
  })

  it('savedefault, which the scripts write, is followed', () => {
    expect(next(writeQubesGrub({ savesDefault: true })).entry?.problems).toEqual([])
  })
})

describe('the options of a menuentry', () => {
  const withOption = (option: string) =>
    TBOOT.replaceAll(/menuentry '[^']*'/g, (found) => `${found} ${option}`)

  // GRUB 2.06, grub-core/commands/menuentry.c, options.
  it.each(['--class gnu', '--class=gnu', '--hotkey=q', '--unrestricted'])('%s is one of GRUB', (option) => {
    expect(next(withOption(option)).entry?.titlePath).toEqual(next(TBOOT).entry?.titlePath)
  })

  it.each(['--evil', '--evil=gnu', '--classes=gnu', '-x'])('%s is one that no script writes', (option) => {
    const { entry, why } = next(withOption(option))
    expect(entry).toBeNull()
    expect(why).toContain('an option that no script writes')
  })
})

describe('loaders that do not go together', () => {
  it.each([
    [
      'module after multiboot2',
      SLAUNCH.replace('\tmodule2\t/initramfs', '\tmodule\t/initramfs'),
      'module after multiboot2',
    ],
    [
      'module2 after multiboot',
      TBOOT.replace('\tmodule\t/initramfs', '\tmodule2\t/initramfs'),
      'module2 after multiboot',
    ],
    ['two kernels', atEnd('multiboot /tboot.gz'), 'more than one kernel'],
    ['a module before tboot', inEntry('module /evil'), 'before tboot'],
    [
      'slaunch after Xen',
      SLAUNCH.replace('\tslaunch\n', '').replace(/(\tmultiboot2.*\n)/, '$1\tslaunch\n'),
      'before "slaunch"',
    ],
    [
      'slaunch with an argument',
      SLAUNCH.replace('\tslaunch\n', '\tslaunch skinit\n'),
      '"slaunch" stands there',
    ],
  ])('%s', (_, text, words) => {
    expect(next(text).why).toContain(words)
  })
})

describe('exact bytes', () => {
  const MARKS = [
    '\u2003',
    '\u00a0',
    '\v',
    '\f',
    '\u2028',
    '\u200b',
    '\ufeff',
    '\u0085',
    'ä',
    '\u007f',
    '\u0001',
  ]

  it.each(MARKS)('%j in a command line is a problem of its entry', (mark) => {
    for (const pattern of [/(logging=memory)/, /(console=none)/, /(rhgb)/]) {
      const { entry, why } = next(TBOOT.replace(pattern, `$1${mark}x`))
      expect(entry).toBeNull()
      expect(why).toContain('not printable ASCII')
    }
  })

  it.each(MARKS)('%j separates no words', (mark) => {
    const { entry, why } = next(TBOOT.replace('xen_rm_opts=\n', `xen_rm_opts='a${mark}b'\n`))
    expect(entry).toBeNull()
    expect(why).toContain('not printable ASCII')
  })

  it('a carriage return vanishes wherever it stands', () => {
    expect(next(TBOOT.replaceAll('\n', '\r\n')).entry).toEqual(next(TBOOT).entry)
    expect(next(TBOOT.replace('rhgb quiet', 'rhgb\rquiet')).entry?.modules[1]?.commandLine).toContain(
      'rhgbquiet',
    )
  })

  it('a line that begins with # is no line, within quotes too', () => {
    expect(next(TBOOT.replace('rhgb quiet', "'rh\n# x\ngb' quiet")).why).toContain('not printable ASCII')
    expect(next(TBOOT.replace('rhgb quiet', 'rh\\\n# x\ngb quiet')).entry).toEqual(next(TBOOT).entry)
  })

  it('a NUL byte is refused', () => {
    expect(() => next(TBOOT.replace('rhgb', 'rhgb\0'))).toThrow('NUL')
  })

  it('a byte-order mark makes a command of the first comment, which does not exist', () => {
    expect(next(`\ufeff${TBOOT}`).entry).toEqual(next(TBOOT).entry)
  })
})

describe('variables', () => {
  it.each([
    'slaunch_psp',
    'net_default_ip',
    'chosen',
    'lang',
    'cmdpath',
    '?',
    '1',
    '#',
    '@',
    'root',
    'prefix',
    'feature_new',
    'color_normal',
  ])('that GRUB sets are not empty: %s', (name) => {
    expect(next(TBOOT.replace('rhgb', `rhgb x\${${name}}`)).entry).toBeNull()
  })

  it('that nobody sets are', () => {
    expect(next(TBOOT.replace('rhgb', 'rhgb ${nobody}')).entry?.modules[1]?.commandLine).toContain(
      'rhgb quiet',
    )
  })

  it("GRUB's platform is the one it runs on", () => {
    const on = (platform: 'pc' | 'efi') =>
      decideNextEntry(parseGrubConfig(TBOOT, deviceWith({ platform }))).entry?.modules[0]?.commandLine
    expect(on('pc')).toMatch(/=4096$/)
    expect(on('efi')).toMatch(/=4096 no-real-mode edd=off$/)
  })

  it('are not seen in a submenu unless they are exported', () => {
    const nested = TBOOT.replace('rhgb', 'rhgb $mine').replaceAll('rhgb $mine', 'rhgb $mine')
    const saved = 'Advanced options with AEM boot for Qubes (with Xen hypervisor)'
    const lineOf = (text: string) =>
      decideNextEntry(parseGrubConfig(text, deviceWith({ grubenv: { saved_entry: saved } }))).entry
        ?.modules[1]?.commandLine
    const edited = nested.replaceAll('rhgb quiet', 'rhgb $mine')
    expect(lineOf(`set mine=zz\n${edited}`)).not.toContain('rhgb zz')
    expect(lineOf(`set mine=zz\nexport mine\n${edited}`)).toContain('rhgb zz')
  })
})

describe('the device', () => {
  it.each([
    ['another file system', (text: string) => text.replace(/(--set=root .*)c5a8b7d2/g, '$100000000')],
    [
      'a device by its name',
      (text: string) => text.replace('\tmultiboot\t', "\tset root='hd1,gpt1'\n\tmultiboot\t"),
    ],
    [
      'a label',
      (text: string) => text.replace('\tmultiboot\t', '\tsearch --set=root --label boot\n\tmultiboot\t'),
    ],
  ])('%s is not the one that is looked at', (_, change) => {
    const { entry, why } = next(change(TBOOT))
    expect(entry).toBeNull()
    expect(why).toMatch(/file system|device|depends on/)
  })

  it('where its UUID is not known, that of the kernel has to be the same', () => {
    const text = TBOOT.replace(/--set=root (.*)c5a8b7d2/g, '--set=root $100000000')
    const { why } = decideNextEntry(parseGrubConfig(text, deviceWith({ uuid: null })))
    expect(why).toContain('the kernel is told another one')
    expect(decideNextEntry(parseGrubConfig(TBOOT, deviceWith({ uuid: null }))).entry).not.toBeNull()
  })
})

describe('a joined line and a word of the language', () => {
  // grub-script-check 2.06 calls each of these a syntax error, so that GRUB runs what the program would take for guarded.
  it.each([
    '\\\nif false; then\nset default=1\nfi\n',
    '\\\n if false; then\nset default=1\nfi\n',
    'i\\\nf false; then\nset default=1\nfi\n',
    'if false; \\\nthen\nset default=1\nfi\n',
    'if false; then\nset default=1\n\\\nfi\n',
  ])('%j is not followed', (script) => {
    expect(() => next(script + TBOOT)).toThrow('grub.cfg')
  })

  it('is joined in any other word', () => {
    const joined =
      'se\\\nt unused=\\\nx\necho a \\\n  b\nif [ x \\\n = y ]; then set unused=z; fi\necho a \\\n\nif false; then set default=1; fi\n'
    expect(next(joined + TBOOT)).toEqual(next(TBOOT))
  })
})
