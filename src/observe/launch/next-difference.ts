import { describe } from '../../core/launch/explain-file.ts'
import { LAUNCH_PCRS, PCR } from '../../core/launch/pcr.ts'
import type { Dom0 } from '../dom0/dom0.ts'
import { observeNextBoot } from './prediction.ts'

/**
 * What the next boot measures differently from this one, whoever changed it; no package is asked.
 * @returns in words, with the register; empty where all is the same, null where that is not known
 */
export async function observeNextDifference(dom0: Dom0): Promise<readonly string[] | null> {
  const selected = (await dom0.selectedPcrs()) ?? LAUNCH_PCRS
  const { raw, luks, luksChanged } = await observeNextBoot(dom0, selected)
  const found = raw.pcrs
    .filter(({ predicted, now }) => predicted !== null && predicted !== now)
    .map(({ index, components }) => {
      const parts = components.filter(({ changed }) => changed).map(describe)
      return parts.length === 0 ? `PCR ${index}` : `${parts.join(', ')} (PCR ${index})`
    })
  const all = luksChanged === null ? found : [...found, `a LUKS header (PCR ${PCR.luksHeaders})`]
  // A register that cannot be predicted may be another one too.
  const isOpen = [...raw.pcrs, ...luks].some(({ predicted }) => predicted === null)
  return all.length === 0 && isOpen ? null : all
}
