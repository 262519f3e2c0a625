import { compareWords, withoutPlaceholder } from './command-line.ts'

/**
 * Where Xen prints, and the two words that AEM's script puts into every entry of TrenchBoot (TrenchBoot/qubes-antievilmaid 18a0a74,
 * etc/grub.d/19_linux_xen_trenchboot, lines 147 and 305). They say nothing about what Xen protects.
 */
const PRINTING: readonly string[] = ['console', 'vga', 'com1', 'com2', 'loglvl', 'guest_loglvl']
const OF_SCRIPT: readonly string[] = ['no-real-mode', 'edd=off']

/** Do two lines of Xen differ in nothing else? What goes to dom0's kernel (` -- `) is never such a difference. */
export function isPrintingAlone(before: string, now: string): boolean {
  const { added, removed } = compareWords(before, now)
  const words = [...added, ...removed]
  const isPrinting = (word: string): boolean =>
    OF_SCRIPT.includes(word) || (/^[a-z0-9_]+=[\w,:]*$/.test(word) && PRINTING.includes(word.split('=')[0]!))
  const others = (line: string): string =>
    withoutPlaceholder(line)
      .split(' ')
      .filter((word) => word !== '' && !isPrinting(word))
      .join(' ')
  // Of a word that stands there twice Xen takes the last: the order of the others counts.
  return words.length > 0 && !now.split(' ').includes('--') && others(before) === others(now)
}
