import { PCR } from '../launch/pcr.ts'
import { locate, readShellAssignments, type UnreadLine } from './shell-assignments.ts'

/** The PCRs that AEM seals to, or why they are not known. */
export type SealSelection =
  /** Ascending, each once. */
  | { readonly state: 'read'; readonly pcrs: readonly number[] }
  /** The file was read to its end, and assigns no SEAL. */
  | { readonly state: 'not-set' }
  | ({ readonly state: 'not-read' } & UnreadLine)

/** SEAL as it was found; `absent`: there is no configuration, `unreadable`: it is there, or may be, and was not read. */
export type SelectionLook =
  | SealSelection
  | { readonly state: 'absent' }
  | { readonly state: 'unreadable'; readonly reason: string }

/** SEAL is there, or may be, and was not read: then nothing says that AEM is not set up. */
export function isSelectionUnread(look: SelectionLook): boolean {
  return look.state === 'not-read' || look.state === 'unreadable'
}

/**
 * The PCRs that AEM seals to, from /etc/anti-evil-maid.conf.
 *
 * On TPM 2.0 AEM takes each number of $SEAL that stands by itself (anti-evil-maid 4.2.0, sbin/anti-evil-maid-lib-tpm2,
 * line 219) and gives it to tpm2-tools, which read a leading zero as octal; on TPM 1.2 the words of $SEAL are arguments of
 * tpm_sealdata (anti-evil-maid-lib-tpm1, line 185), which takes one number for each --pcr or -p. Read is what means the same
 * to both: any other word is not.
 *
 * Sample: `SEAL="--pcr 13 --pcr 17 --pcr 18 --pcr 19"` (anti-evil-maid 4.2.0)
 */
export function readSealSelection(text: string): SealSelection {
  const read = readShellAssignments(text)
  if ('reason' in read) return { state: 'not-read', ...read }
  const seal = read.get('SEAL')
  if (seal === undefined) return { state: 'not-set' }
  const numbers = listNumbers(seal.value)
  const refuse = (reason: string): SealSelection => ({
    state: 'not-read',
    ...locate(text, seal.end - 1, reason),
  })
  if (numbers === null) return refuse('SEAL has other words than --pcr and a number')
  if (numbers.length === 0) return refuse('SEAL names no PCR')
  if (numbers.some((number) => number > PCR.last)) return refuse(`SEAL names a PCR beyond ${PCR.last}`)
  return { state: 'read', pcrs: [...new Set(numbers)].sort((a, b) => a - b) }
}

/** @returns the numbers of `--pcr N`, `--pcr=N` and `-p N`; null where there is any other word */
function listNumbers(value: string): readonly number[] | null {
  const words = value.split(/[ \t\n]+/).filter(Boolean)
  const numbers: number[] = []
  for (let at = 0; at < words.length; at += 1) {
    const word = words[at] ?? ''
    const isAlone = word === '--pcr' || word === '-p'
    const number = isAlone ? words[at + 1] : /^--pcr=(.*)$/.exec(word)?.[1]
    if (number === undefined || !/^(?:0|[1-9][0-9]{0,4})$/.test(number)) return null
    numbers.push(Number(number))
    if (isAlone) at += 1
  }
  return numbers
}
