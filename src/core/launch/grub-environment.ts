/** GRUB 2.06, include/grub/lib/envblk.h, GRUB_ENVBLK_SIGNATURE. */
const SIGNATURE = '# GRUB Environment Block\n'

/**
 * The variables of `grubenv`, in the order GRUB sets them; null when it is no environment block, of which GRUB sets none:
 *
 *     # GRUB Environment Block
 *     saved_entry=AEM Qubes, with Xen hypervisor
 *     ###########...
 *
 * A name is all up to `=`; in a value a backslash takes the next character as it is, a line end too; a line that does
 * not end is not read (GRUB 2.06, grub-core/lib/envblk.c, grub_envblk_open and grub_envblk_iterate).
 * @param text one character for each byte
 */
export function parseGrubEnvironment(text: string): [name: string, value: string][] | null {
  if (text.length <= SIGNATURE.length || !text.startsWith(SIGNATURE)) return null
  const found: [string, string][] = []
  let at = SIGNATURE.length
  while (at < text.length) {
    if (text[at] !== '#') {
      const equals = text.indexOf('=', at)
      if (equals === -1) return found
      const end = findLineEnd(text, equals + 1)
      if (end >= text.length) return found
      const value = text.slice(equals + 1, end).replace(/\\([\s\S])/g, '$1')
      found.push([cutAtNul(text.slice(at, equals)), cutAtNul(value)])
      at = end
    }
    at = findLineEnd(text, at) + 1
  }
  return found
}

/** The next line end that no backslash stands before. */
function findLineEnd(text: string, from: number): number {
  let at = from
  while (at < text.length && text[at] !== '\n') at += text[at] === '\\' ? 2 : 1
  return at
}

/** To GRUB a string ends at the first NUL. */
function cutAtNul(text: string): string {
  return text.split('\0', 1)[0] ?? ''
}
