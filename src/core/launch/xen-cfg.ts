/** What a section of Xen's EFI configuration names; null where it names none. */
export type XenSection = {
  readonly options: string | null
  /** File name and options, as they stand. */
  readonly kernel: string | null
  readonly ramdisk: string | null
  /**
   * A Xen that is told no section finds the same values. It takes the first of a key in the whole file then, and upstream's
   * GRUB gives it none: `chainloader` hands over the words behind the file name, of which Xen takes the first for its own
   * name (GRUB 2.06, grub-core/loader/efi/chainloader.c, grub_cmd_chainloader; Xen 4.17, boot.c, efi_start).
   */
  readonly isFirst: boolean
  /** What no script of AEM writes there, and what Xen would read otherwise than it looks. */
  readonly problems: readonly string[]
}

/** What AEM's script writes into a section (TrenchBoot/qubes-antievilmaid 18a0a74, etc/grub.d/19_linux_xen_trenchboot, 303-314). */
const KEYS = ['options', 'kernel', 'ramdisk'] as const
/** Far more than AEM writes for every kernel of a dom0. */
const MAX_LENGTH = 256 * 1024

/**
 * A section of the file beside xen.efi, read as Xen does (Xen 4.17, docs/misc/efi.pandoc; xen/common/efi/boot.c, pre_parse and
 * get_value): control characters end a line, blanks before it are dropped and those behind it stay; `#` begins a comment
 * anywhere, `;` at the start of a line; a section ends at the next `[`, and of several of a name the first counts, as of
 * several values of a key. A last line without its end is not read.
 *
 *     [vmlinuz-6.6.36-1.qubes.fc37.x86_64]
 *     options=placeholder console=none no-real-mode edd=off
 *     kernel=aem-vmlinuz-6.6.36-1.qubes.fc37.x86_64 placeholder root=/dev/mapper/qubes_dom0-root ro aem.uuid=...
 *     ramdisk=aem-initramfs-6.6.36-1.qubes.fc37.x86_64.img
 *
 * @param text one character a byte (latin1)
 * @returns null where there is no such section
 */
export function parseXenSection(text: string, section: string): XenSection | null {
  const lines = splitLines(text)
  const start = lines.findIndex((line) => isHead(line, section))
  if (start === -1) return null
  const length = lines.slice(start + 1).findIndex((line) => line.startsWith('['))
  const own = length === -1 ? lines.slice(start + 1) : lines.slice(start + 1, start + 1 + length)
  const [found, first] = [pick(own), pick(lines)]
  return {
    ...found,
    isFirst: KEYS.every((key) => found[key] === first[key]) && !lines.some((line) => isHead(line, 'global')),
    problems: listProblems(text, lines, own),
  }
}

/** `[name]`, whatever stands behind it (get_value). */
function isHead(line: string, section: string): boolean {
  return line.startsWith(`[${section}]`)
}

function splitLines(text: string): string[] {
  return text
    .slice(0, MAX_LENGTH)
    .split(/[\x00-\x1f\x7f]/)
    .slice(0, -1)
    .map((line) => line.replace(/^ +/, '').replace(/^;.*$|#.*$/, ''))
    .filter((line) => line !== '')
}

function pick(lines: readonly string[]): Pick<XenSection, (typeof KEYS)[number]> {
  const valueFor = (key: string): string | null => {
    const line = lines.find((one) => one.startsWith(`${key}=`))
    return line === undefined ? null : line.slice(key.length + 1).replace(/^ +/, '')
  }
  return { options: valueFor('options'), kernel: valueFor('kernel'), ramdisk: valueFor('ramdisk') }
}

/** `xsm`, `ucode` and `chain` bring in files of their own, also from a section `global` (boot.c; efi-boot.h, efi_arch_cfg_file_late). */
function listProblems(text: string, lines: readonly string[], own: readonly string[]): string[] {
  const problems: string[] = []
  if (text.length > MAX_LENGTH) problems.push(`has ${text.length} bytes`)
  if (/[^\x20-\x7e\n]/.test(text)) problems.push('holds a character that is not printable ASCII')
  if (!text.endsWith('\n')) problems.push('ends without a line end, so that Xen leaves out its last line')
  const keys = own.map((line) => line.slice(0, Math.max(0, line.indexOf('='))))
  const other = keys.find((key) => !KEYS.some((known) => known === key))
  if (other !== undefined) problems.push(`sets "${other}", which AEM's script does not write`)
  if (new Set(keys).size < keys.length) problems.push('sets a value twice')
  if (lines.some((line) => isHead(line, 'global')))
    problems.push('has a section "global", which AEM\'s script does not write')
  return problems
}
