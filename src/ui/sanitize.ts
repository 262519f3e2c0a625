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
  return [...text.replaceAll(/(?<=\w)…/g, '~')].map(asciiOf).join('')
}

function asciiOf(character: string): string {
  return NON_ASCII[character] ?? (character.charCodeAt(0) < 128 ? character : '?')
}

/**
 * A line in ASCII: where a replacement is longer, the next gap of a table, of two blanks or more, is shorter by that, so that
 * columns stay in line; later lines begin below the same word.
 */
export function toAsciiLine(line: Line): Line {
  const { hang = 0 } = line
  let [text, longer, grown] = ['', 0, 0]
  for (const [at, part] of splitGaps(line.text)) {
    const given = /^ {2,}$/.test(part) && text.trim() !== '' ? Math.min(longer, part.length - 1) : 0
    const written = given > 0 ? part.slice(given) : toAscii(part)
    text += written
    longer += written.length - part.length
    if (at < hang) grown = longer
  }
  return { ...line, text, ...(line.hang === undefined ? {} : { hang: line.hang + grown }) }
}

/** Text between gaps of two blanks or more, and the gaps, each with its place. */
function splitGaps(text: string): readonly (readonly [at: number, part: string])[] {
  return [...text.matchAll(/ {2,}|(?:(?! {2})[\s\S])+/g)].map((match) => [match.index, match[0]])
}
