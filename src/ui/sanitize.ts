import { sanitizeLine } from '../core/harmless-text.ts'
import type { Line } from './ui.ts'

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
  // Digits that are cut stand in tables, with one blank behind them.
  return [...text.replaceAll(/(?<=\w)\u2026/g, '~')].map(asciiOf).join('')
}

function asciiOf(character: string): string {
  return NON_ASCII[character] ?? (character.charCodeAt(0) < 128 ? character : '?')
}

/**
 * A line in ASCII: where a replacement is longer, the next gap of a table, of two blanks or more, is shorter by that, so that
 * columns stay in line; later lines begin below the same word.
 */
export function toAsciiLine(line: Line): Line {
  const { text, hang } = line
  const shown = toAsciiColumns(text)
  return {
    ...line,
    text: shown,
    ...(hang === undefined ? {} : { hang: toAsciiColumns(text.slice(0, hang)).length }),
  }
}

function toAsciiColumns(text: string): string {
  let [shown, longer] = ['', 0]
  for (const part of splitGaps(text)) {
    const given = /^ {2,}$/.test(part) && shown.trim() !== '' ? Math.min(longer, part.length - 1) : 0
    const written = given > 0 ? part.slice(given) : toAscii(part)
    shown += written
    longer += written.length - part.length
  }
  return shown
}

/** Text between gaps of two blanks or more, and the gaps. */
function splitGaps(text: string): readonly string[] {
  return text.match(/ {2,}|(?:(?! {2})[\s\S])+/g) ?? []
}
