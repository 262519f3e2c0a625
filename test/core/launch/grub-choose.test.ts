import { describe, expect, it } from 'vitest'
import { isAemEntry, parseGrubConfig } from '../../../src/core/launch/grub-cfg.ts'
import { decideNextEntry } from '../../../src/core/launch/grub-choose.ts'
import { MAX_MENU_ITEMS } from '../../../src/core/launch/grub-state.ts'
import { type DeviceFacts, deviceWith } from './grub-world.ts'

/* GRUB 2.06, grub-core/normal/menu.c: the entry that boots, through submenus. */

const read = (text: string, facts: DeviceFacts = {}) => parseGrubConfig(text, deviceWith(facts))
const next = (text: string) => decideNextEntry(read(text))
const inSubmenus = (depth: number, body = 'true') =>
  `${Array.from({ length: depth }, (_, at) => `submenu 's${at}' {\n`).join('')}menuentry 'x' { ${body}; }\n${'}\n'.repeat(depth)}`

describe('the next entry', () => {
  it('is told with the titles above it', () => {
    const text = "submenu 'a' {\n submenu 'b' {\n menuentry 'x' --id i { true; }\n }\n}\n"
    expect(next(text).entry).toMatchObject({ title: 'x', titlePath: ['a', 'b', 'x'], id: 'i' })
    expect(read(text).entries[0]).toMatchObject({ title: 'x', titlePath: ['a', 'b', 'x'], id: 'i' })
  })

  it('is followed through as many submenus as the limit says', () => {
    expect(next(inSubmenus(8)).entry?.titlePath).toHaveLength(9)
    expect(read(inSubmenus(8)).entries).toHaveLength(1)
    expect(next(inSubmenus(9)).why).toBe('submenus are nested too deeply')
    expect(read(inSubmenus(9)).entries).toEqual([])
  })

  it.each([
    ['acpi /evil.aml', 'a submenu runs "acpi"'],
    ['set prefix=(hd1)/grub2', 'grub.cfg moves the directory of the modules of GRUB ("prefix")'],
    ['linux /vmlinuz', 'a submenu loads something itself'],
    ['set default=$cmdpath', 'the value of "default" in grub.cfg cannot be evaluated'],
  ])('is not told through a submenu that runs %s', (line, why) => {
    const text = `submenu 'a' {\n${line}\nmenuentry 'x' { true; }\n}\n`
    expect(next(text)).toEqual({ entry: null, why })
  })

  it('takes the rest of the name for the menu within, and that alone', () => {
    const menu =
      "submenu 'a' {\n menuentry 'x' { true; }\n menuentry 'y' { true; }\n}\nmenuentry 'y' { true; }\n"
    expect(next(`set default='a>y'\n${menu}`).entry?.titlePath).toEqual(['a', 'y'])
    expect(next(`set default='a'\n${menu}`).entry?.titlePath).toEqual(['a', 'x'])
    expect(next(`set default='a>'\n${menu}`).entry?.titlePath).toEqual(['a', 'x'])
  })

  it('shows bytes as UTF-8', () => {
    const bytes = Buffer.from("menuentry 'Qub\u00e9s \u20ac' --id \u00e4 { true; }").toString('latin1')
    expect(next(bytes).entry).toMatchObject({ title: 'Qub\u00e9s \u20ac', id: '\u00e4' })
    expect(next("menuentry '\u20ac\u00e4' { true; }").entry?.title).toBe('\u20ac\u00e4')
    expect(next("menuentry '\u00c3\u00a4\u20ac' { true; }").entry?.title).toBe('\u00c3\u00a4\u20ac')
  })
})

describe('the entries of grub.cfg', () => {
  it('carry the file that they stand in, the modules of GRUB and the problems of AEM’s own alone', () => {
    const other = "menuentry 'x' {\n insmod ext2\n acpi /a\n linux /v\n}\n"
    const text = `source $prefix/custom.cfg\n${other}menuentry 'y' { slaunch; acpi /a; multiboot2 /xen; }\n`
    const { entries } = read(text, { custom: other })
    expect(entries.map(({ file }) => file)).toEqual(['custom.cfg', undefined, undefined])
    expect(entries[1]).toMatchObject({ insmods: ['ext2'], problems: [] })
    expect(entries[1]).not.toHaveProperty('file')
    expect(entries[2]?.problems).toEqual(['it runs "acpi", which AEM\'s scripts do not write'])
  })

  const FLOATING = 'unset root; slaunch; chainloader /EFI/qubes/xen-4.efi a'
  it.each([
    ['all of it evaluated', `menuentry 'x' { ${FLOATING}; }`, true],
    ['something else in it', `menuentry 'x' { acpi /a; ${FLOATING}; }`, undefined],
    ['a value that is not known in it', `menuentry 'x' { ${FLOATING} $cmdpath; }`, undefined],
    ['a kernel on a device', "menuentry 'x' { linux /v; }", undefined],
    ['in a submenu', `submenu 'a' { menuentry 'x' { ${FLOATING}; }; }`, true],
    ['in a submenu with something else', `submenu 'a' { acpi /a; menuentry 'x' { ${FLOATING}; }; }`, false],
    ['in a submenu with a problem', `submenu 'a' { set prefix=/x; menuentry 'x' { ${FLOATING}; }; }`, false],
    ['in a file with something else', `acpi /a\nmenuentry 'x' { ${FLOATING}; }`, false],
    ['in a file with a loop', `for i in a; do true; done\nmenuentry 'x' { ${FLOATING}; }`, false],
    ['in a submenu of such a file', `acpi /a\nsubmenu 'a' { menuentry 'x' { ${FLOATING}; }; }`, false],
  ])('without a kernel that GRUB finds: %s', (_, text, startsNothing) => {
    expect(read(text).entries[0]?.startsNothing).toBe(startsNothing)
  })

  it.each([
    ['trenchboot', 'uefi', '', true],
    ['trenchboot', 'bios', 'ro aem.uuid=1', true],
    ['tboot', 'bios', 'aem.uuid=1', true],
    ['tboot', 'bios', 'x.aem.uuid=1', false],
    ['tboot', 'bios', '', false],
    ['other', 'bios', 'aem.uuid=1', false],
    ['other', 'uefi', '', false],
  ] as const)('of the kind %s, %s, with %j is one of AEM: %s', (flavour, form, commandLine, is) => {
    const [entry] = read("menuentry 'x' { true; }").entries
    const modules = ['', commandLine].map((line, order) => ({
      ...({ role: 'module', path: '/x', nounzip: false } as const),
      order,
      commandLine: line,
    }))
    expect(isAemEntry({ ...entry!, flavour, form, modules })).toBe(is)
  })
})

describe('a file that no tool writes', () => {
  it('is longer than a mebibyte', () => {
    const of = (length: number) => read('#'.repeat(length))
    expect(of(1024 * 1024).entries).toEqual([])
    expect(() => of(1024 * 1024 + 1)).toThrow('grub.cfg has 1048577 bytes')
  })

  it('has more items in all of its menus than the limit says', () => {
    const submenu = (count: number) => `submenu 's' {\n${"menuentry 'x' { true; }\n".repeat(count)}}\n`
    expect(read(submenu(MAX_MENU_ITEMS - 1)).entries).toHaveLength(MAX_MENU_ITEMS - 1)
    expect(() => read(submenu(MAX_MENU_ITEMS - 2) + submenu(1))).toThrow('menus without end')
  })

  it('has menus that run more commands than the limit says', () => {
    const body = `function savedefault {\n${'true\n'.repeat(999)}}\n`
    const entries = (count: number) => `${body}${"menuentry 'x' { savedefault; }\n".repeat(count)}`
    expect(read(entries(100)).entries).toHaveLength(100)
    expect(() => read(entries(101))).toThrow('menus without end')
  })
})
