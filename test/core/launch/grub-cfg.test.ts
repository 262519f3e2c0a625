import { describe, expect, it } from 'vitest'
import { Failure } from '../../../src/core/failure.ts'
import { joinGrubArguments } from '../../../src/core/launch/boot-entry.ts'
import { decideBootedEntry } from '../../../src/core/launch/booted-entry.ts'
import { listAemEntries, parseGrubConfig } from '../../../src/core/launch/grub-cfg.ts'
import { decideNextEntry } from '../../../src/core/launch/grub-choose.ts'
import { parseGrubEnvironment } from '../../../src/core/launch/grub-environment.ts'
import { writeQubesGrub } from '../../support/grub/qubes-grub-writer.ts'
import { deviceWith as world } from './grub-world.ts'
import { fc } from './property.ts'

const TBOOT = writeQubesGrub()
const TRENCHBOOT = writeQubesGrub({ flavour: 'trenchboot' })
const SIMPLE = 'AEM Qubes, with Xen hypervisor'
const ADVANCED = 'Advanced options with AEM boot for Qubes (with Xen hypervisor)'
const OLD_KERNEL = 'AEM Qubes boot, with Xen 4.17.4 and Linux 6.1.75-1.qubes.fc37.x86_64'

const saved = (entry: string) => world({ grubenv: { saved_entry: entry } })

describe('a grub.cfg that somebody wrote to keep a processor busy', () => {
  const doubling = `a=xx\n${'a=$a$a\n'.repeat(60)}`

  it.each([
    ['a variable that doubles', doubling],
    ['a variable that doubles in an entry', `menuentry 'x' {\n${doubling}}\n`],
    ['menus that open themselves', `function m {\n${"submenu 'x' { m; }\n".repeat(8)}}\nm\n`],
    [
      'entries that call a long function',
      `function f {\n${'true\n'.repeat(5000)}}\n${"menuentry 'x' { f; }\n".repeat(500)}`,
    ],
    ['a file of megabytes', '#'.repeat(2 * 1024 * 1024)],
  ])('is refused: %s', (_, text) => {
    expect(() => parseGrubConfig(text, world())).toThrow(Failure)
  })
})

describe("grub.cfg of AEM's own script (tboot)", () => {
  const config = parseGrubConfig(TBOOT, world())

  it('has the five AEM entries and nothing that could not be evaluated', () => {
    expect(config.problems).toEqual([])
    expect(listAemEntries(config).map((entry) => entry.titlePath.at(-1))).toEqual([
      SIMPLE,
      'AEM Qubes boot, with Xen 4.17.4 and Linux 6.6.36-1.qubes.fc37.x86_64',
      OLD_KERNEL,
      'AEM Qubes boot, with Xen 4.17.4.config and Linux 6.6.36-1.qubes.fc37.x86_64',
      'AEM Qubes boot, with Xen 4.17.4.config and Linux 6.1.75-1.qubes.fc37.x86_64',
    ])
  })

  it('gives roles, paths and command lines with single spaces and without the file name', () => {
    const [entry] = listAemEntries(config)
    expect(entry?.flavour).toBe('tboot')
    expect(entry?.launcher).toMatchObject({
      role: 'mle',
      path: '/tboot.gz',
      commandLine: 'placeholder logging=memory,serial',
    })
    expect(entry?.modules.map((file) => [file.role, file.path])).toEqual([
      ['xen', '/xen-4.17.4.gz'],
      ['kernel', '/vmlinuz-6.6.36-1.qubes.fc37.x86_64'],
      ['initramfs', '/initramfs-6.6.36-1.qubes.fc37.x86_64.img'],
    ])
    expect(entry?.modules[0]?.commandLine).toBe(
      'placeholder console=none dom0_mem=min:1024M dom0_mem=max:4096M ucode=scan smt=off gnttab_max_frames=2048 gnttab_max_maptrack_frames=4096',
    )
    expect(entry?.modules[1]?.commandLine).toMatch(
      /^placeholder root=\S+ ro .* aem\.uuid=c5a8b7d2-\S+ rd\.luks\.key=\S+ rd\.luks\.crypttab=no$/,
    )
    expect(entry?.modules[2]?.commandLine).toBe('')
    expect(entry?.sinit.map((file) => file.path)).toEqual(['/SNB_IVB_SINIT_20190708_PW.BIN'])
  })

  it('evaluates xen_rm_opts for the platform', () => {
    const onEfi = parseGrubConfig(TBOOT, world({ platform: 'efi' }))
    expect(listAemEntries(onEfi)[0]?.modules[0]?.commandLine).toMatch(/=4096 no-real-mode edd=off$/)
  })

  it('boots the saved entry, by title, by id, by submenu path and by number', () => {
    const titleOf = (entry: string) =>
      decideNextEntry(parseGrubConfig(TBOOT, saved(entry))).entry?.titlePath.at(-1)
    expect(titleOf(SIMPLE)).toBe(SIMPLE)
    expect(titleOf('xen-gnulinux-simple-/dev/mapper/qubes_dom0-root')).toBe(SIMPLE)
    expect(titleOf(`${ADVANCED}>Xen hypervisor, version 4.17.4>${OLD_KERNEL}`)).toBe(OLD_KERNEL)
    expect(titleOf('1')).toMatch(/Linux 6\.6\.36/)
    expect(titleOf('2')).toBe('Qubes, with Xen hypervisor')
    expect(titleOf('99')).toBe(SIMPLE)
    expect(titleOf('no such title')).toBe(SIMPLE)
    expect(decideNextEntry(parseGrubConfig(TBOOT, world())).entry?.title).toBe(SIMPLE)
  })

  it('lets next_entry go before saved_entry', () => {
    const both = world({
      grubenv: { saved_entry: SIMPLE, next_entry: 'Qubes, with Xen hypervisor' },
    })
    expect(decideNextEntry(parseGrubConfig(TBOOT, both)).entry?.flavour).toBe('other')
  })

  it('does not tell the next entry when nobody looked whether /aem/ is there', () => {
    const unknown = decideNextEntry(parseGrubConfig(TBOOT, world({ aem: null })))
    expect(unknown.entry).toBeNull()
    expect(unknown.why).toContain('is in the menu depends on')
    expect(decideNextEntry(parseGrubConfig(TBOOT, world({ aem: false }))).entry?.flavour).toBe('other')
  })

  it('finds the entry that booted by command line, kernel and Xen', () => {
    const old = config.entries.find((entry) => entry.title === OLD_KERNEL)!
    const kernelCommandLine = old.modules[1]!.commandLine.replace('placeholder ', '')
    const running = { kernelCommandLine, kernelRelease: '6.1.75-1.qubes.fc37.x86_64', xenVersion: '4.17.4' }
    expect(decideBootedEntry(config.entries, running).entry?.title).toBe(OLD_KERNEL)
    expect(
      decideBootedEntry(config.entries, { ...running, kernelCommandLine: `${kernelCommandLine} acpi=noirq` })
        .entry?.title,
    ).toBe(OLD_KERNEL)
    // Words that only begin as one of Xen's.
    for (const word of ['noapic2', 'acpi_skip_timer_override2', 'x-noapic', 'acpi='])
      expect(
        decideBootedEntry(config.entries, { ...running, kernelCommandLine: `${kernelCommandLine} ${word}` })
          .entry,
        word,
      ).toBeNull()
    expect(decideBootedEntry(config.entries, { ...running, kernelRelease: null }).why).toContain(
      'several entries',
    )
    expect(
      decideBootedEntry(config.entries, {
        ...running,
        kernelCommandLine: `${kernelCommandLine} init=/bin/sh`,
      }).entry,
    ).toBeNull()
  })
})

describe('what cannot be followed', () => {
  it('in a submenu is a reason to tell no entry of it', () => {
    const inSubmenu = (line: string) =>
      TBOOT.replace(/(submenu 'Advanced options with AEM boot [^\n]*\{\n)/, `$1${line}\n`)
    const next = (text: string) => decideNextEntry(parseGrubConfig(text, saved(`${ADVANCED}>0>0`)))
    expect(next(inSubmenu('true')).entry).not.toBeNull()
    expect(next(inSubmenu('set prefix=(hd1)/grub2'))).toMatchObject({
      entry: null,
      why: expect.stringContaining('"prefix"'),
    })
  })

  it.each(['search', 'load_env', 'source', 'configfile'])(
    'is %s in a branch that may not run, also beside a function of that name',
    (name) => {
      // A command goes before a function (GRUB 2.06, grub-core/script/execute.c, grub_script_execute_cmdline).
      const text = `function ${name} {\ntrue\n}\nif [ "$net_default_ip" = x ]; then\n${name} /evil\nfi\n`
      expect(parseGrubConfig(text, world()).problems).toEqual([
        `${name} depends on a condition that cannot be evaluated`,
      ])
    },
  )

  it('is a function of the scripts that calls itself without end', () => {
    const text = 'function savedefault {\nsavedefault\n}\nsavedefault\n'
    expect(parseGrubConfig(text, world()).problems.join()).toContain('too deeply')
  })
})

describe("grub.cfg of TrenchBoot's script", () => {
  it('gives Xen as the launcher and kernel and initramfs as modules', () => {
    const [entry] = listAemEntries(parseGrubConfig(TRENCHBOOT, world()))
    expect(entry).toMatchObject({ flavour: 'trenchboot', launcher: { role: 'xen', path: '/xen-4.17.4.gz' } })
    expect(entry?.modules.map((file) => file.role)).toEqual(['kernel', 'initramfs'])
    expect(entry?.sinit).toHaveLength(1)
  })
})

describe('quoting and expansion', () => {
  const moduleLine = (line: string, before = '') => {
    const text = `${before}\nmenuentry 'm' {\n multiboot /tboot.gz\n module /xen ${line}\n}\n`
    const choice = decideNextEntry(parseGrubConfig(text, world()))
    return choice.entry?.modules[0]?.commandLine ?? `refused: ${choice.why}`
  }

  it.each([
    ['a  b\tc', 'a b c'],
    ["'a b' c", '"a b" c'],
    ['"a \\"b\\" $x"', '"a \\"b\\" "'],
    ['a\\ b', '"a b"'],
    ["it\\'s", "it\\'s"],
    ['a\\\\b', 'a\\\\b'],
    ['"x\\y"', 'x\\\\y'],
    ['a\\\nb', 'ab'],
    ['a # comment', 'a'],
    ['a#b', 'a#b'],
    ['"" end', ' end'],
    ['$empty end', 'end'],
    ['"$empty" end', ' end'],
    ['$two', 'one two'],
    ['"$two"', '"one two"'],
    ['pre$' + '{two}post', 'preone twopost'],
  ])('%j becomes %j', (line, wanted) => {
    expect(moduleLine(line, 'set two="one two"')).toBe(wanted)
  })

  it('says so when a command line needs a value nobody knows', () => {
    expect(moduleLine('root=$root_uuid', 'search --set=root_uuid --label x')).toContain('$root_uuid')
    expect(moduleLine('$mode', 'if loadfont x ; then set mode=a ; else set mode=b ; fi')).toContain('$mode')
    expect(moduleLine('$mode', 'for i in a b; do set mode=$i; done')).toContain('$mode')
  })

  it('does not guess how a text is translated, nor which files a pattern matches', () => {
    expect(moduleLine('$"text"')).toContain('refused')
    expect(moduleLine('a=*')).toContain('a pattern of file names')
    expect(moduleLine("'a=*'")).toBe('a=*')
  })

  it('escapes for the loader as GRUB does', () => {
    expect(joinGrubArguments(['a b', "c'd", 'e\\f', '"g"', ''])).toBe('"a b" c\\\'d e\\\\f \\"g\\" ')
  })
})

describe('menus that cannot be told', () => {
  const why = (text: string, grubenv = {}) => decideNextEntry(parseGrubConfig(text, world({ grubenv }))).why

  it.each([
    ['entries from another file', "source /custom.cfg\nmenuentry 'a' { true }"],
    [
      'an entry in a condition before the default',
      "if keystatus --shift ; then\n menuentry 'x' { true }\nfi\nmenuentry 'a' { true }",
    ],
    ['a default nobody knows', "set default=$cmdpath\nmenuentry 'a' { true }"],
    [
      'an environment from another file',
      "load_env -f /other\nset default=$saved_entry\nmenuentry 'a' { true }",
    ],
    [
      'an entry in a condition before a default by number',
      "set default=1\nif keystatus ; then\n menuentry 'x' { true }\nfi\nmenuentry 'a' { true }\nmenuentry 'b' { true }",
    ],
    [
      'a condition on an unknown value',
      "if [ \"$root\" = hd0 ] ; then\n menuentry 'x' { true }\nfi\nmenuentry 'a' { true }",
    ],
    ['an empty menu', 'set timeout=5'],
    ['a module in a condition', "menuentry 'a' {\n if keystatus ; then module /extra ; fi\n}"],
  ])('%s', (_, text) => {
    expect(why(text)).not.toBeNull()
  })

  it('a condition after the default does no harm', () => {
    expect(why("menuentry 'a' { true }\nif keystatus ; then\n menuentry 'x' { true }\nfi")).toBeNull()
  })

  it('a title that begins with a digit is not guessed where GRUB versions differ', () => {
    const text =
      "load_env\nset default=\"$saved_entry\"\nmenuentry 'a' { true }\nmenuentry 'c' { true }\nmenuentry '1 b' { true }"
    expect(why(text, { saved_entry: '1 b' })).toContain("GRUB's versions differ")
  })
})

describe('hostile files', () => {
  it.each([
    "menuentry 'a",
    'menuentry "a {',
    'if true',
    'fi',
    '}',
    '{',
    'menuentry a { ',
    'a && b',
    '$',
    '${x',
    'function',
  ])('%j is refused', (text) => {
    expect(() => parseGrubConfig(text, world())).toThrow(Failure)
  })

  it('functions that call each other end', () => {
    const config = parseGrubConfig(
      'function load_video { savedefault\nsavedefault\n}\nfunction savedefault { load_video\nload_video\n}\nload_video',
      world(),
    )
    expect(config.problems.length).toBeGreaterThan(0)
  })

  it('deep nesting is refused, wide menus are linear', () => {
    expect(() => parseGrubConfig(`${'if true ; then '.repeat(5000)}x`, world())).toThrow(Failure)
    const wide = Array.from({ length: 4_000 }, (_, i) => `menuentry 'm${i}' { module /x$y }`).join('\n')
    expect(parseGrubConfig(wide, world()).entries).toHaveLength(4_000)
  })

  it('more entries or variables than a menu can need are not evaluated', () => {
    const many = (line: (i: number) => string) => Array.from({ length: 6_000 }, (_, i) => line(i)).join('\n')
    expect(
      parseGrubConfig(
        many((i) => `menuentry 'm${i}' { true }`),
        world(),
      ).problems[0],
    ).toContain('too many entries')
    expect(
      parseGrubConfig(
        many((i) => `set v${i}=1`),
        world(),
      ).problems[0],
    ).toContain('too many variables')
  })

  it('any text gives a configuration or a Failure', () => {
    const words = [
      'menuentry',
      'submenu',
      "'t'",
      '{',
      '}',
      '\n',
      ';',
      'if',
      'then',
      'else',
      'fi',
      '[',
      ']',
      '$a',
      '"',
      '\\',
      'set',
      'a=b',
      'module',
      '/x',
      'function',
    ]
    fc.assert(
      fc.property(
        fc.array(fc.oneof(fc.constantFrom(...words), fc.string({ maxLength: 4 })), { maxLength: 60 }),
        (parts) => {
          try {
            decideNextEntry(parseGrubConfig(parts.join(' '), world()))
          } catch (error) {
            if (!(error instanceof Failure)) throw error
          }
        },
      ),
      { numRuns: 1000 },
    )
  })
})

describe('which file a line names', () => {
  const entryWith = (module: string, before = '') => {
    const text = `menuentry 'm' {\n ${before}\n multiboot /tboot.gz\n module /xen\n module ${module} aem.uuid=1\n}\n`
    return decideNextEntry(parseGrubConfig(text, world({ uuid: null })))
  }
  const kernelOf = (module: string, before?: string) => entryWith(module, before).entry?.modules[1]?.path

  it.each([
    ['/vmlinuz', ''],
    ['//vmlinuz', ''],
    ['--nounzip /vmlinuz', ''],
    ['($root)/vmlinuz', 'search --set=root --fs-uuid 1'],
    ['($' + '{root})/vmlinuz', ''],
    ['($esp_dev)/vmlinuz', 'set esp_dev="$root"'],
  ])('%j after %j is /vmlinuz of the device', (module, before) => {
    expect(kernelOf(module, before)).toBe('/vmlinuz')
  })

  it.each([
    ['/../../etc/shadow', '', '"." or ".."'],
    ['/./vmlinuz', '', '"." or ".."'],
    ['/a/..', '', '"." or ".."'],
    ['vmlinuz', '', 'does not begin with a slash'],
    ['0+1', '', 'does not begin with a slash'],
    ['/dir/', '', 'is a directory'],
    ['/a\u00a0b', '', 'not printable ASCII'],
    ["'/a\nb'", '', 'control character'],
    [`/${'a'.repeat(256)}`, '', 'longer than a file name can be'],
    [`/${'a/'.repeat(600)}b`, '', 'longer than a file name can be'],
    ['(hd0,gpt2)/vmlinuz', '', 'GRUB device (hd0,gpt2)'],
    ['/vmlinuz', "set root='hd0,gpt2'", 'GRUB device (hd0,gpt2)'],
    ['/vmlinuz', 'search --set=root --label x', 'GRUB device that is not known'],
    ['/vmlinuz', 'search --set=root --fs-uuid 2', 'the kernel is told another one'],
    ['()/vmlinuz', '', 'GRUB device ()'],
    ['($esp_dev)/vmlinuz', '', 'GRUB device ()'],
    ['""', '', 'names no file'],
  ])('no clean file, case %#: refused in its own words', (module, before, words) => {
    const choice = entryWith(module, before)
    expect(choice.entry).toBeNull()
    expect(choice.why).toContain(words)
    expect(choice.why).not.toMatch(/[\x00-\x1f]/)
  })

  it('takes options off before the file name only', () => {
    const { entry } = entryWith('/vmlinuz --quirk-x --nounzip')
    expect(entry?.modules[1]).toMatchObject({ nounzip: false, commandLine: '--quirk-x --nounzip aem.uuid=1' })
  })
})

describe('entries with the same kernel command line', () => {
  const text = (xen: string, extra: string) =>
    `menuentry '${xen}${extra}' {\n multiboot /tboot.gz\n module /xen placeholder ${xen}\n module /vmlinuz placeholder aem.uuid=1\n module /initramfs\n${extra}\n}\n`
  const entries = parseGrubConfig(
    `${text('a=1', '')}${text('b=1', '')}${text('a=1', 'module /evil')}`,
    world(),
  ).entries
  const running = { kernelCommandLine: 'aem.uuid=1' }

  it("are told apart by Xen's command line and by the number of modules, or not at all", () => {
    expect(decideBootedEntry(entries, running).why).toContain('several entries')
    expect(decideBootedEntry(entries, { ...running, xenCommandLine: 'a=1' }).why).toContain('several entries')
    expect(decideBootedEntry(entries, { ...running, xenCommandLine: 'placeholder b=1' }).entry).toBe(
      entries[1],
    )
    const [without, added] = [3, 4].map((moduleCount) => ({ ...running, xenCommandLine: 'a=1', moduleCount }))
    expect(decideBootedEntry(entries, without!).entry).toBe(entries[0])
    expect(decideBootedEntry(entries, added!).entry).toBe(entries[2])
  })

  it.each([
    ...['', '.gz', '.efi', '~debug.gz', '-debug.gz'].map((end) => [`xen-4.17.4${end}`, true] as const),
    ...['xen-4.17.4-evil.gz', 'xen-4.17.40.gz', 'xen-4.17.3.gz', 'evil4.17.4.gz'].map(
      (name) => [name, false] as const,
    ),
  ])('the Xen of this boot, 4.17.4, is %s: %s', (name, isFit) => {
    const [entry] = parseGrubConfig(text('a=1', '').replace('/xen ', `/${name} `), world()).entries
    expect(decideBootedEntry([entry!], { ...running, xenVersion: '4.17.4' }).entry).toBe(isFit ? entry : null)
  })

  it("hands what follows ` -- ` on Xen's line to the kernel, behind its own words, as Xen does", () => {
    const [entry] = parseGrubConfig(text('a=1 -- quiet x=2', ''), world()).entries
    const boots = (line: string) => decideBootedEntry([entry!], { kernelCommandLine: line }).entry
    expect(boots('aem.uuid=1 quiet x=2')).toBe(entry)
    for (const line of [
      'aem.uuid=1',
      'aem.uuid=1 a=1 -- quiet x=2',
      'quiet x=2 aem.uuid=1',
      'aem.uuid=1 quiet',
    ])
      expect(boots(line), line).toBeNull()
    // `xl info` shows what stands before it.
    const running = { kernelCommandLine: 'aem.uuid=1 quiet x=2' }
    expect(decideBootedEntry([entry!], { ...running, xenCommandLine: 'a=1' }).entry).toBe(entry)
    expect(decideBootedEntry([entry!], { ...running, xenCommandLine: 'a=1 quiet x=2' }).entry).toBeNull()
  })
})

describe('grubenv', () => {
  it('is read with its escapes', () => {
    const text =
      '# GRUB Environment Block\nsaved_entry=AEM Qubes, with Xen hypervisor\nodd=a\\\\b\\\nc\n###########'
    expect(parseGrubEnvironment(text)).toEqual([
      ['saved_entry', SIMPLE],
      ['odd', 'a\\b\nc'],
    ])
  })
})
