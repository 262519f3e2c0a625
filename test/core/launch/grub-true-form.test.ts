// biome-ignore-all lint/suspicious/noTemplateCurlyInString: variables of GRUB
import { describe, expect, it } from 'vitest'
import { listAemEntries, parseGrubConfig } from '../../../src/core/launch/grub-cfg.ts'
import { decideNextEntry } from '../../../src/core/launch/grub-choose.ts'
import { QUBES_GRUB, type QubesGrub, writeQubesGrub } from '../../support/grub/qubes-grub-writer.ts'
import { SNIPPETS, type Snippet } from '../../support/grub/snippets.ts'
import { type DeviceFacts, deviceWith } from './grub-world.ts'

const AEM = 'AEM Qubes, with Xen hypervisor'
const PLAIN = 'Qubes, with Xen hypervisor'
const OLD = 'AEM Qubes boot, with Xen 4.17.4 and Linux 6.1.75-1.qubes.fc37.x86_64'
const OLD_PATH = `Advanced options with AEM boot for Qubes (with Xen hypervisor)>Xen hypervisor, version 4.17.4>${OLD}`

const next = (facts: DeviceFacts = {}, form: Partial<QubesGrub> = {}) =>
  decideNextEntry(parseGrubConfig(writeQubesGrub(form), deviceWith(facts)))
const bootsOf = (facts: DeviceFacts, form?: Partial<QubesGrub>) => {
  const { entry, why } = next(facts, form)
  return entry?.titlePath.at(-1) ?? `refused: ${why}`
}

describe.each(['pc', 'efi'] as const)('grub.cfg of a Qubes dom0, platform %s', (platform) => {
  it('is read whole, and its first entry of AEM boots', () => {
    const config = parseGrubConfig(writeQubesGrub(), deviceWith({ platform }))
    expect(config.problems).toEqual([])
    expect(config.wanted).toEqual([])
    expect(listAemEntries(config).map((entry) => entry.problems)).toEqual(Array(5).fill([]))
    expect(next({ platform }).entry).toMatchObject({ title: AEM, flavour: 'tboot', form: 'bios', efi: null })
  })

  it.each(Object.keys(SNIPPETS) as Snippet[])('is read with %s alone, and without it alone', (name) => {
    const all = Object.keys(SNIPPETS) as Snippet[]
    // The graphics call a function of the header.
    const needed: readonly Snippet[] = name === 'graphics' ? [name, 'functions'] : [name]
    const both: readonly Snippet[] = name === 'functions' ? [name, 'graphics'] : [name]
    expect(bootsOf({ platform }, { without: all.filter((one) => !needed.includes(one)) })).toBe(AEM)
    expect(bootsOf({ platform }, { without: ['plainEnvironment', ...both] })).toBe(AEM)
  })

  it.each([
    ['a saved title', { saved_entry: PLAIN }, PLAIN],
    ['a saved path through submenus', { saved_entry: OLD_PATH }, OLD],
    ['next_entry before saved_entry', { saved_entry: AEM, next_entry: PLAIN }, PLAIN],
    ['prev_saved_entry, which is for the boot after', { saved_entry: PLAIN, prev_saved_entry: AEM }, PLAIN],
    ['a good boot', { saved_entry: PLAIN, boot_success: '1', boot_indeterminate: '0' }, PLAIN],
    ['boot_once, which saves nothing', { saved_entry: AEM, boot_once: 'true' }, AEM],
    ['the menu shown once', { saved_entry: AEM, menu_show_once: '1', menu_show_once_timeout: '60' }, AEM],
    ['the menu hidden', { saved_entry: AEM, menu_auto_hide: '1', boot_success: '1', fastboot: '1' }, AEM],
    ['a boot that failed', { saved_entry: PLAIN, boot_success: '0', boot_indeterminate: '1' }, PLAIN],
    ['a counter that runs', { saved_entry: PLAIN, boot_success: '0', boot_counter: '2' }, PLAIN],
    [
      'a counter that came to its end',
      { saved_entry: PLAIN, boot_success: '0', boot_counter: '0' },
      /6\.6\.36/,
    ],
    ['a counter below its end', { saved_entry: PLAIN, boot_success: '0', boot_counter: '-1' }, /6\.6\.36/],
    ['a counter that nobody needs', { saved_entry: PLAIN, boot_success: '1', boot_counter: '0' }, PLAIN],
    ['another root', { root: 'hd7' }, /refused/],
    ['a fallback', { saved_entry: AEM, fallback: '1' }, /refused: .*fallback/],
    ['another directory of modules', { prefix: '(hd7)/grub2' }, /refused: .*prefix/],
    ['another platform', { saved_entry: AEM, grub_platform: 'emu' }, AEM],
  ])('grubenv with %s', (_, grubenv, wanted) => {
    expect(bootsOf({ platform, grubenv })).toMatch(
      wanted instanceof RegExp ? wanted : new RegExp(`^${wanted}$`),
    )
  })
})

describe('files beside grub.cfg', () => {
  it('a grubenv that is not there is empty; one that cannot be read may hold anything', () => {
    expect(bootsOf({ grubenv: 'absent' })).toBe(AEM)
    expect(bootsOf({ grubenv: 'unreadable' })).toMatch(
      /^refused: load_env depends on whether grubenv is on the device: it cannot be read/,
    )
    expect(bootsOf({ grubenv: '' })).toBe(AEM)
    expect(bootsOf({ grubenv: `saved_entry=${PLAIN}\n`.padEnd(1024, '#') })).toBe(AEM)
    // The name of this variable is all up to the first =, the line end too.
    expect(
      bootsOf({ grubenv: `# GRUB Environment Block\nodd\nsaved_entry=${PLAIN}\n`.padEnd(1024, '#') }),
    ).toBe(AEM)
  })

  it.each([
    ['harmless', 'set timeout=10\n# of mine\necho hello\n', AEM],
    ['an entry of its own', "menuentry 'Rescue' {\n  linux /vmlinuz-rescue\n}\n", AEM],
    ['another default', 'set default=2\n', PLAIN],
    ['the default by its title', `default='${PLAIN}'\n`, PLAIN],
    ['a password', 'set superusers="root"\npassword_pbkdf2 root grub.pbkdf2.sha512.10000.AA.BB\n', AEM],
    [
      'another custom file',
      'source ${config_directory}/more.cfg\n',
      /refused: more\.cfg is read by grub\.cfg/,
    ],
    [
      'itself',
      'source ${config_directory}/custom.cfg\n',
      /refused: custom\.cfg is longer, or read within more/,
    ],
    ['what cannot be parsed', 'if true\n', /refused: custom\.cfg: "its end" is out of place/],
    ['a command at the top', 'acpi /evil.aml\n', /refused: grub\.cfg runs "acpi"/],
    [
      'an entry that the default names by its first word',
      "menuentry 'x' --id Qubes, {\n  linux /x\n}\nset default='Qubes, with Xen hypervisor'\n",
      /versions differ/,
    ],
    ['an entry by the number', "set default=3\nmenuentry 'x' {\n linux /x\n}\n", /./],
    ['a loop', 'for i in 1 2; do set default=$i; done\n', /refused: the value of "default"/],
    ['a byte-order mark', '\u00ef\u00bb\u00bfset default=2\n', AEM],
    ['carriage returns', 'set default=2\r\n', PLAIN],
  ])('custom.cfg with %s', (_, custom, wanted) => {
    const got = bootsOf({ custom, grubenv: { saved_entry: AEM } })
    expect(got).toMatch(wanted instanceof RegExp ? wanted : new RegExp(`^${wanted}$`))
  })

  it.each([
    ['a password, as grub2-setpassword writes it', 'GRUB2_PASSWORD=grub.pbkdf2.sha512.10000.AA.BB\n', AEM],
    ["an entry named like AEM's before it", `menuentry '${AEM}' {\n multiboot2 /evil\n}\n`, AEM],
    ['another root for the test for /aem', "set root='hd1,gpt1'\n", /refused/],
    [
      'a command that becomes a function',
      'function module {\n  true\n}\n',
      /refused: .*function has the name of the command module/,
    ],
    [
      'a function of the scripts',
      'function savedefault {\n  module /evil\n}\n',
      /refused: the function savedefault is defined twice/,
    ],
  ])('user.cfg with %s', (_, user, wanted) => {
    const got = bootsOf({ user, grubenv: { saved_entry: AEM } })
    expect(got).toMatch(wanted instanceof RegExp ? wanted : new RegExp(`^${wanted}$`))
  })

  it('takes the entry that stands first, whoever wrote it: what it loads is then what is judged', () => {
    const user = `menuentry '${AEM}' {\n multiboot /tboot.gz\n module /evil-xen\n module /vmlinuz aem.uuid=${QUBES_GRUB.uuid}\n}\n`
    expect(next({ user, grubenv: { saved_entry: AEM } }).entry?.modules[0]?.path).toBe('/evil-xen')
  })

  it('a file that cannot be read is refused by its name', () => {
    expect(bootsOf({ custom: null })).toMatch(/refused: .*custom\.cfg/)
    expect(bootsOf({ user: null })).toMatch(/refused: .*user\.cfg/)
  })

  it('asks for the files that it does not have yet, and for no others', () => {
    const files = new Map()
    const world = { ...deviceWith(), files }
    const config = parseGrubConfig(writeQubesGrub(), world)
    expect(config.wanted).toEqual(['/grub2/grubenv', '/grub2/user.cfg', '/aem', '/grub2/custom.cfg'])
    expect(
      parseGrubConfig('source /../etc/shadow\nload_env -f (hd1)/x\n[ -f /a/b/c ]\n', world).wanted,
    ).toEqual([])
  })
})

describe("TrenchBoot's script", () => {
  it('on BIOS: Xen is launched, kernel and initramfs are modules', () => {
    const { entry } = next({}, { flavour: 'trenchboot' })
    expect(entry).toMatchObject({
      flavour: 'trenchboot',
      form: 'bios',
      launcher: { path: '/xen-4.17.4.gz' },
      problems: [],
    })
  })

  it('on UEFI: an entry of AEM whose files lie on the EFI system partition', () => {
    const { entry } = next({ platform: 'efi' }, { flavour: 'trenchboot-uefi' })
    expect(entry).toMatchObject({
      flavour: 'trenchboot',
      form: 'uefi',
      launcher: null,
      modules: [],
      problems: [],
    })
    expect(entry?.efi).toEqual({
      xenPath: '/EFI/qubes/xen-4.17.4.efi',
      configPath: '/EFI/qubes/xen-4.17.4.cfg',
      section: 'vmlinuz-6.6.36-1.qubes.fc37.x86_64',
    })
    expect(entry?.sinit.map((file) => file.path)).toEqual(['/SNB_IVB_SINIT_20190708_PW.BIN'])
  })

  it('on UEFI the entries of its submenus start nothing: GRUB hands esp_dev to no submenu', () => {
    const config = parseGrubConfig(
      writeQubesGrub({ flavour: 'trenchboot-uefi' }),
      deviceWith({ platform: 'efi' }),
    )
    const nested = listAemEntries(config).filter((entry) => entry.titlePath.length > 1)
    expect(nested).toHaveLength(4)
    expect(nested.every((entry) => entry.problems.length > 0)).toBe(true)
  })

  it.each([
    ['another program', '/EFI/qubes/xen-4.17.4.efi', '/EFI/evil.efi'],
    ['more words', 'xen-4.17.4.efi vmlinuz', 'xen-4.17.4.efi -cfg=evil.cfg vmlinuz'],
    ['from another device', 'set root="$esp_dev"', "set root='hd1,gpt1'"],
    ['without slaunch before it', '\tslaunch\n', '\n'],
  ])('chainloader with %s is a problem', (_, from, to) => {
    const text = writeQubesGrub({ flavour: 'trenchboot-uefi' })
    expect(text).toContain(from)
    const { entry } = decideNextEntry(
      parseGrubConfig(
        text.replaceAll(from, () => to),
        deviceWith({ platform: 'efi' }),
      ),
    )
    expect(entry === null || entry.flavour === 'other').toBe(true)
  })
})
