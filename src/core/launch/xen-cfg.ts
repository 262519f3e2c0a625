/** What a section of Xen's EFI configuration names; null where it names none. */
export type XenSection = {
  readonly options: string | null
  /** File name and options, as they stand. */
  readonly kernel: string | null
  readonly ramdisk: string | null
}

/**
 * A section of the file beside xen.efi (Xen 4.17, docs/misc/efi.pandoc and xen/common/efi/boot.c, get_value): sections in
 * brackets, `key=value` lines, comments behind `#` at the start of a line; of several sections of a name the first counts.
 *
 *     [vmlinuz-6.6.36-1.qubes.fc37.x86_64]
 *     options=placeholder console=none no-real-mode edd=off
 *     kernel=aem-vmlinuz-6.6.36-1.qubes.fc37.x86_64 placeholder root=/dev/mapper/qubes_dom0-root ro aem.uuid=...
 *     ramdisk=aem-initramfs-6.6.36-1.qubes.fc37.x86_64.img
 *
 * @returns null where there is no such section
 */
export function parseXenSection(text: string, section: string): XenSection | null {
  const values = new Map<string, string>()
  let state: 'before' | 'in' | 'behind' = 'before'
  for (const raw of text.split(/[\r\n]+/)) {
    const line = raw.trim()
    const head = /^\[([^\]]*)\]$/.exec(line)
    if (head) {
      if (state === 'in') state = 'behind'
      else if (state === 'before' && head[1] === section) state = 'in'
      continue
    }
    const at = line.indexOf('=')
    if (state !== 'in' || line.startsWith('#') || at < 1) continue
    const key = line.slice(0, at)
    if (!values.has(key)) values.set(key, line.slice(at + 1).trim())
  }
  if (state === 'before') return null
  return {
    options: values.get('options') ?? null,
    kernel: values.get('kernel') ?? null,
    ramdisk: values.get('ramdisk') ?? null,
  }
}
