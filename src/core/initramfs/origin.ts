import type { RawDifference } from './compare-images.ts'
import { EARLY_PREFIX } from './compare-images.ts'
import type { Difference } from './reproduction.ts'

/**
 * What dracut writes itself: its notes on the run (057, dracut.sh, lines 2073-2319), hooks and modules of its own under other names
 * (dracut-init.sh, inst_hook), lists of depmod, ld.so.cache, initrd-release (modules.d/99base), and microcode put together
 * from the firmware's files.
 */
const GENERATED =
  /^(usr\/)?lib\/(dracut\/|initrd-release$|modules\/[^/]+\/modules\.)|^etc\/(ld\.so\.cache|initrd-release|cmdline\.d\/)|^early:/
const SETTINGS = /^etc\//

/** Where an entry comes from as far as its path tells: what an attacker added is never called generated or a setting. */
export function guessOrigin({ path, change }: RawDifference): Difference['origin'] {
  if (change === 'added') return 'unknown'
  if (GENERATED.test(path)) return 'generated'
  return SETTINGS.test(path) ? 'settings' : 'unknown'
}

/** What nobody made in dom0 first, then what carries other bytes, directories last. */
export function sortDifferences(differences: readonly RawDifference[]): readonly RawDifference[] {
  const weight = ({ path, change, checked, fresh }: RawDifference): number => {
    if ((checked ?? fresh)?.kind === 'directory') return 3
    if (change === 'added') return 0
    return path.startsWith(EARLY_PREFIX) || !GENERATED.test(path) ? 1 : 2
  }
  return differences
    .map((difference) => ({ difference, order: weight(difference) }))
    .sort((a, b) => a.order - b.order)
    .map(({ difference }) => difference)
}
