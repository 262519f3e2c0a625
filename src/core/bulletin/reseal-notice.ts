import type { Cause, ResealNotice } from './bulletin.ts'
import type { Section } from './sections.ts'
import { bulletinFailure } from './text.ts'

/** A PC has PCR 0 to 23 (TCG PC Client Platform Firmware Profile 1.05, table 1). */
const LAST_PCR = 23

/** `PCR14`, `PCR18+19`, `PCR 13`, `--pcr 13` (19). */
const PCRS = /(?:\bPCRs? ?|--pcr )(\d{1,4})((?: ?(?:\+|,|\/|&|and) ?(?:PCR ?)?\d{1,4}\b)*)/gi

const CAUSES: readonly (readonly [RegExp, Cause])[] = [
  [/^xen/i, 'xen'],
  [/^(?:kernel|linux)$/i, 'kernel'],
  [/^(?:initramfs|initrd)$/i, 'initramfs'],
  [/^microcode$/i, 'microcode'],
]

const parsePcrs = (text: string): number[] => {
  const numbers = [...text.matchAll(PCRS)].flatMap((match) => [
    Number(match[1]),
    ...[...match[2]!.matchAll(/\d+/g)].map(Number),
  ])
  const wrong = numbers.find((number) => number > LAST_PCR)
  if (wrong !== undefined) throw bulletinFailure('pcr', null, `there is no PCR ${wrong}`)
  return numbers
}

/** `due to the new Xen and kernel binaries, and because of the regenerated initramfs.` */
const parseCauses = (text: string): Cause[] => {
  const reason = /\b(?:due to|because of)\b(.*?)(?:\.(?: |$)|$)/.exec(text)?.[1] ?? ''
  const words = reason.match(/[A-Za-z]+/g) ?? []
  return words.flatMap((word) => CAUSES.filter(([pattern]) => pattern.test(word)).map(([, cause]) => cause))
}

/** However it is worded: all so far say `need to reseal` and all but 19 name PCRs in the same paragraph. */
const isNotice = (paragraph: string): boolean =>
  (/\bre-?seal/i.test(paragraph) ||
    (/\bAnti Evil Maid\b|\bAEM\b/i.test(paragraph) && /\bPCRs? ?\d/i.test(paragraph))) &&
  !/(?:\bnot (?:need|have) to|n't (?:need|have) to|\bno need to|\bneed not) re-?seal\b/i.test(paragraph)

/**
 * The notice for users of Anti Evil Maid: `you will need to reseal your secret passphrase to new PCR
 * values, as PCR18+19 will change due to the new Xen binaries.` 37 has it twice.
 * @param action The sections that say what to install; 20 and 21 name Anti Evil Maid elsewhere only.
 * @returns null where there is none; pcrs is empty where a notice names none.
 * @throws Failure bulletin-pcr for a register that does not exist.
 */
export const parseResealNotice = (action: readonly Section[]): ResealNotice | null => {
  const notices = action.flatMap((section) => section.paragraphs).filter(isNotice)
  if (notices.length === 0) return null
  const pcrs = [...new Set(notices.flatMap(parsePcrs))].sort((a, b) => a - b)
  return { pcrs, causes: [...new Set(notices.flatMap(parseCauses))] }
}
