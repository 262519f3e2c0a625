// biome-ignore-all lint/suspicious/noTemplateCurlyInString: variables of GRUB
import { fc } from './property.ts'

/** Commands and words that an attacker may want in grub.cfg. */
export const HOSTILE = [
  'linux /vmlinuz init=/bin/sh',
  'initrd /evil.img',
  'acpi /evil.aml',
  'write_dword 0x1000 0x1',
  'chainloader +1',
  'devicetree /evil.dtb',
  'loadfont /evil.pf2',
  'boot',
  'halt',
  'multiboot /tboot-evil.gz',
  'multiboot2 /xen-evil.gz',
  'module /evil.img',
  'module2 /evil.img',
  'slaunch',
  'slaunch_module /evil.bin',
  'configfile /evil.cfg',
  'source /evil.cfg',
  'source ${config_directory}/evil.cfg',
  'normal',
  'insmod /evil.mod',
  'load_env -f /evil',
  'search --no-floppy --fs-uuid --set=root 00000000-0000-4000-8000-000000000000',
  "set root='hd1,gpt1'",
  'set default=1',
  'default="1>0>1"',
  'set fallback=1',
  'set xen_rm_opts="iommu=no"',
  'xen_rm_opts=a',
  'set prefix=(hd1)/grub2',
  'set config_directory=(hd1)/grub2',
  'unset menuentry_id_option',
  'set grub_platform=efi',
  'function module { true; }',
  'function savedefault {\nmodule /evil.img\n}',
  'function echo {\nmodule /evil.img\n}',
  'for i in a b; do module /evil.img; done',
  'if true; then module /evil.img; fi',
  'if keystatus --shift; then set default=1; fi',
  "menuentry 'AEM Qubes, with Xen hypervisor' { multiboot /tboot.gz; module /evil; }",
  "submenu 'AEM Qubes, with Xen hypervisor' { menuentry 'x' { linux /evil; } }",
  "menuentry 'x' --id AEM { linux /evil; }",
  'eval "module /evil.img"',
  'evil',
  '!',
  '{',
  '}',
  'fi',
  "'",
  '"',
  '\\',
  '#',
] as const

const WORDS = [
  ...[
    'iommu=no',
    'init=/bin/sh',
    '--',
    '-- init=/bin/sh',
    '$evil',
    '${root}',
    "''",
    '""',
    '\u00a0',
    '\u2003',
    '\v',
    '\f',
  ],
  ...[
    '\r',
    '\\',
    ';',
    '&&',
    '|',
    '#',
    '*',
    'a b',
    '/evil',
    '(hd1)/evil',
    'true',
    'false',
    '"$default"',
    '\\x41',
    'x=$x',
  ],
] as const

/** Its text comes by a function, so that a failing test shows the words alone. */
export type Edit = { readonly what: string; readonly make: () => string }

/** One change of a text: half of them anywhere, half in the first of AEM's entries. */
export function anEdit(text: string): fc.Arbitrary<Edit> {
  const lines = text.split('\n')
  const start = lines.findIndex((one) => /^\s*menuentry 'AEM/.test(one))
  const submenu = lines.findIndex((one, at) => at > start && /^\s*submenu/.test(one))
  // The entry's own lines are tried more often; one file has no submenu behind it.
  const end = submenu === -1 ? lines.length - 1 : submenu
  const startAt = text.indexOf("menuentry 'AEM")
  const line = fc.oneof(fc.nat(lines.length - 1), fc.integer({ min: start, max: end }))
  const submenuAt = text.indexOf('submenu', startAt)
  const endAt = submenuAt === -1 ? text.length - 1 : submenuAt
  const place = fc.oneof(fc.nat(text.length - 1), fc.integer({ min: startAt, max: endAt }))
  const put = (at: number, remove: number, ...added: readonly string[]): string =>
    [...lines.slice(0, at), ...added, ...lines.slice(at + remove)].join('\n')
  const inWord = fc.tuple(line, fc.nat(40), fc.constantFrom<string>(...WORDS), fc.boolean())
  const char = fc.oneof(
    fc.string({ minLength: 1, maxLength: 2 }),
    fc.constantFrom(' ', '\n', '\t', '$', '{', '}', "'", '"', '\\', ';', '>'),
  )
  return fc.oneof(
    line.map((at) => ({ what: `line ${at + 1} gone: ${lines[at]}`, make: () => put(at, 1) })),
    line.map((at) => ({ what: `line ${at + 1} twice: ${lines[at]}`, make: () => put(at, 0, lines[at]!) })),
    fc.tuple(line, line).map(([from, to]) => ({
      what: `line ${from + 1} put before ${to + 1}`,
      make: () => put(to, 0, lines[from]!),
    })),
    fc
      .tuple(line, fc.constantFrom<string>(...HOSTILE))
      .map(([at, added]) => ({ what: `before line ${at + 1}: ${added}`, make: () => put(at, 0, added) })),
    fc
      .tuple(line, fc.constantFrom<string>(...HOSTILE))
      .map(([at, added]) => ({ what: `line ${at + 1} is: ${added}`, make: () => put(at, 1, added) })),
    inWord.map(([at, nth, word, isReplaced]) => {
      const parts = lines[at]!.split(/([ \t]+)/)
      const index = nth % parts.length
      const changed = [...parts.slice(0, index), word, ...parts.slice(isReplaced ? index + 1 : index)].join(
        '',
      )
      return { what: `line ${at + 1} reads: ${JSON.stringify(changed)}`, make: () => put(at, 1, changed) }
    }),
    fc.tuple(place, char).map(([at, added]) => ({
      what: `${JSON.stringify(added)} put in at ${at}`,
      make: () => text.slice(0, at) + added + text.slice(at),
    })),
    fc.tuple(place, fc.integer({ min: 1, max: 3 })).map(([at, count]) => ({
      what: `${count} gone at ${at}`,
      make: () => text.slice(0, at) + text.slice(at + count),
    })),
  )
}

/** As bytes, one character each: what a file would hold. */
export function asBytes(text: string): string {
  return Buffer.from(text).toString('latin1')
}
