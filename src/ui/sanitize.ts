import { sanitizeLine } from '../core/harmless-text.ts'

/** Foreign text of several lines, each made harmless. */
export function sanitizeText(text: string): string {
  return text.replaceAll('\r\n', '\n').split('\n').map(sanitizeLine).join('\n')
}

const NON_ASCII: Readonly<Record<string, string>> = {
  '✔': '[ok]',
  '✖': '[!!]',
  '▲': '[! ]',
  '•': '*',
  '→': '->',
  '…': '...',
  '─': '-',
  '“': '"',
  '”': '"',
  '’': "'",
}

/** Replaces what is not ASCII; what has no replacement becomes a question mark. */
export function toAscii(text: string): string {
  return [...text]
    .map((character) => NON_ASCII[character] ?? (character.charCodeAt(0) < 128 ? character : '?'))
    .join('')
}
