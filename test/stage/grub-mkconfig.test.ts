// biome-ignore-all lint/suspicious/noTemplateCurlyInString: variables of GRUB
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { listAemEntries } from '../../src/core/launch/grub-cfg.ts'
import { decideNextEntry } from '../../src/core/launch/grub-choose.ts'
import { makeRecordedHost } from '../../src/host/recorded.ts'
import { observeGrub } from '../../src/observe/device/grub.ts'
import { QUBES_GRUB } from '../support/grub/qubes-grub-writer.ts'
import { RecordedDom0 } from '../support/recorded-machine.ts'
import { type GrubTree, type GrubTreeFacts, openGrubTree } from './grub-tree.ts'

/*
 * A grub.cfg that nobody made up: Debian's grub-mkconfig with the scripts of its package, and grubenv by grub-editenv. What
 * the program makes of it is compared with what GRUB itself (grub-emu) boots.
 */

const AEM = 'AEM Qubes, with Xen hypervisor'
const OLD =
  'Advanced options with AEM boot for Qubes (with Xen hypervisor)>Xen hypervisor, version 4.17.4>AEM Qubes boot, with Xen 4.17.4 and Linux 6.6.36-1.qubes.fc37.x86_64'
const XEN = 'Debian GNU/Linux, with Xen hypervisor'
const LINUX = 'Debian GNU/Linux'

/** What is chosen, or why nothing is, as the program reads files of a recorded machine. */
async function readWith(tree: GrubTree, cfg: string, platform: 'pc' | 'efi') {
  const machine = new RecordedDom0().withFile('/boot/grub/grub.cfg', Buffer.from(cfg, 'latin1'))
  machine.withFile('/boot/aem/here', '').without('/boot/grub2')
  for (const name of ['grubenv', 'custom.cfg', 'user.cfg']) {
    const bytes = await tree.read(name).catch(() => null)
    if (bytes === null) machine.without(`/boot/grub/${name}`)
    else machine.withFile(`/boot/grub/${name}`, bytes)
  }
  if (platform === 'efi') machine.withFile('/sys/firmware/efi/fw_platform_size', '64\n')
  else machine.without('/sys/firmware/efi')
  const host = await makeRecordedHost(machine.write())
  const config = await observeGrub(host, '/boot', null, QUBES_GRUB.uuid)
  if (config === null || config instanceof Error) throw config ?? new Error('no grub.cfg was found')
  const { entry, why } = decideNextEntry(config)
  return { config, entry, boots: entry?.titlePath.join('>') ?? `refused: ${why}` }
}

type Made = { readonly grubenv?: Readonly<Record<string, string>> | null; readonly custom?: string | null }

async function prepare(tree: GrubTree, { grubenv = {}, custom = null }: Made) {
  await tree.put('grubenv', null)
  if (grubenv !== null) {
    await tree.editEnvironment('create')
    for (const [name, value] of Object.entries(grubenv)) await tree.editEnvironment('set', `${name}=${value}`)
  }
  await tree.put('custom.cfg', custom)
}

const TREES: readonly GrubTreeFacts[] = [
  { platform: 'pc', flavour: 'tboot', settings: ['GRUB_SAVEDEFAULT=true'] },
  { platform: 'efi', flavour: 'tboot' },
  { platform: 'pc', flavour: 'trenchboot' },
  { platform: 'efi', flavour: 'trenchboot-uefi' },
]

const CHOICES: readonly [string, Made, string][] = [
  ['no grubenv', { grubenv: null }, LINUX],
  ['an empty grubenv', {}, LINUX],
  ['saved_entry by title', { grubenv: { saved_entry: AEM } }, AEM],
  ['saved_entry by id', { grubenv: { saved_entry: `gnulinux-simple-${QUBES_GRUB.uuid}` } }, LINUX],
  ['saved_entry through submenus', { grubenv: { saved_entry: OLD } }, OLD],
  ['a saved_entry that nothing is', { grubenv: { saved_entry: 'Nobody' } }, LINUX],
  ['next_entry before saved_entry', { grubenv: { saved_entry: AEM, next_entry: XEN } }, XEN],
  ['prev_saved_entry', { grubenv: { saved_entry: XEN, prev_saved_entry: AEM } }, XEN],
  ['recordfail', { grubenv: { saved_entry: AEM, recordfail: '1' } }, AEM],
  ['a saved number', { grubenv: { saved_entry: '2' } }, AEM],
  ['a harmless custom.cfg', { grubenv: { saved_entry: AEM }, custom: 'set timeout=0\necho hello\n' }, AEM],
  [
    'an entry of the user in custom.cfg',
    { grubenv: { saved_entry: AEM }, custom: "menuentry 'Rescue' {\n  linux /vmlinuz-rescue\n}\n" },
    AEM,
  ],
  [
    'a custom.cfg that changes the default',
    { grubenv: { saved_entry: AEM }, custom: `set default='${XEN}'\n` },
    XEN,
  ],
  [
    'a condition in custom.cfg',
    { grubenv: { saved_entry: AEM }, custom: 'if [ -z "$superusers" ]; then\n  set timeout=0\nfi\n' },
    AEM,
  ],
]

const HOSTILE: readonly [string, Made, RegExp][] = [
  ['a command of its own', { custom: 'acpi /evil.aml\n' }, /grub\.cfg runs "acpi"/],
  [
    'a function in place of a command',
    { custom: 'function echo {\n  acpi /evil.aml\n}\n' },
    /function has the name of the command echo/,
  ],
  [
    'an entry like those of AEM that loads more',
    {
      custom: `menuentry 'Evil' {\n  multiboot /tboot.gz\n  acpi /evil.aml\n  module /xen-4.17.4.gz\n}\nset default=Evil\n`,
    },
    /"Evil": it runs "acpi"/,
  ],
  ['a file from another disk', { custom: 'source (hd1,gpt1)/more.cfg\n' }, /more\.cfg is read by grub\.cfg/],
  ['a text that GRUB cannot read', { custom: 'if true\n' }, /custom\.cfg: "its end" is out of place/],
  ['a loop', { custom: 'for i in 1 2; do set default=$i; done\n' }, /the value of "default"/],
  ['a fallback in grubenv', { grubenv: { fallback: '1' } }, /fallback/],
  ['another directory of modules in grubenv', { grubenv: { prefix: '(hd7)/grub' } }, /prefix/],
  ['another root in grubenv', { grubenv: { root: 'hd7' } }, /refused/],
]

describe.each(TREES)(
  'grub.cfg of the real grub-mkconfig, on $platform, with entries of $flavour',
  (facts) => {
    let tree: GrubTree
    let cfg: string
    beforeAll(async () => {
      tree = await openGrubTree(facts)
      cfg = await tree.make()
    })
    afterAll(() => tree?.end())

    test.each(CHOICES)(
      'with %s: read whole, and GRUB boots what the program says',
      async (_, made, wanted) => {
        await prepare(tree, made)
        const { config, entry, boots } = await readWith(tree, cfg, facts.platform)
        expect(config.problems).toEqual([])
        expect(await tree.askGrub(cfg)).toBe(wanted.split('>').at(-1))
        if (wanted === OLD && facts.flavour === 'trenchboot-uefi') {
          // GRUB hands the variable esp_dev to no submenu: this entry starts nothing.
          expect(boots).toMatch(/^refused: /)
          return
        }
        expect(boots).toBe(wanted)
        const flavour = facts.flavour === 'tboot' ? 'tboot' : 'trenchboot'
        expect(entry).toMatchObject(wanted.includes('AEM') ? { flavour, problems: [] } : { flavour: 'other' })
      },
    )

    test.each(HOSTILE)('with %s: refused by its name', async (_, made, why) => {
      await prepare(tree, { ...made, grubenv: { saved_entry: AEM, ...made.grubenv } })
      const { entry, boots } = await readWith(tree, cfg, facts.platform)
      expect(boots).toMatch(why)
      expect(entry).toBe(null)
    })

    test('with an entry of a stranger as default: it is the one that is told, and it is none of AEM', async () => {
      const custom = `menuentry 'Stranger' {\n  linux /vmlinuz init=/bin/sh\n}\nset default=Stranger\n`
      await prepare(tree, { grubenv: { saved_entry: AEM }, custom })
      const { entry, boots } = await readWith(tree, cfg, facts.platform)
      expect([boots, entry?.flavour]).toEqual(['Stranger', 'other'])
      expect(await tree.askGrub(cfg)).toBe('Stranger')
    })

    test('the entry for the firmware setup is there on UEFI alone, and every entry is read', async () => {
      await prepare(tree, { grubenv: { saved_entry: AEM } })
      const { config } = await readWith(tree, cfg, facts.platform)
      const titles = config.entries.map(({ title }) => title)
      expect(titles.includes('UEFI Firmware Settings')).toBe(facts.platform === 'efi')
      expect(titles).toEqual(expect.arrayContaining([LINUX, AEM, XEN]))
      expect(listAemEntries(config).length).toBeGreaterThanOrEqual(2)
    })
  },
)
