import { sanitizeLine } from '../core/harmless-text.ts'
import { wrap } from './render-message.ts'
import type { Line } from './ui.ts'

/** Narrower than this, lines are left to the terminal to break. */
const MIN_COLUMNS = 20

/** Blanks and a mark such as `✖`, `[!!]` or `7.` at the beginning of a line. */
const MARK = /^ *(?:(?:\[(?:ok|!!|! )\]|\d{1,2}\.|[^\p{L}\p{N}\s/"'`(-]+) )?/u

function leadOf(text: string): number {
  return /^ */.exec(text)?.[0].length ?? 0
}

/** A line in as many as it needs, the later ones indented like its first word after marks such as `✖`. */
export function fold(line: Line, columns: number): readonly Line[] {
  const text = sanitizeLine(line.text)
  if (text.length <= columns || columns < MIN_COLUMNS) return [line]
  const hang = line.hang ?? MARK.exec(text)?.[0].length ?? 0
  // What would leave too little room beside a label stands below it.
  const indent = columns - hang < MIN_COLUMNS ? leadOf(text) : hang
  const head = text.slice(0, indent)
  return wrap(text.slice(indent), columns - indent)
    .flatMap((part) => cutAtSlashes(part, columns - indent))
    .map((part, index) => ({ ...line, text: `${index === 0 ? head : ' '.repeat(indent)}${part}` }))
}

/** A path that is longer than the terminal is wide goes on in the next line, after a slash where there is one. */
function cutAtSlashes(word: string, width: number): readonly string[] {
  const parts: string[] = []
  let rest = word
  while (rest.length > width) {
    const slash = rest.lastIndexOf('/', width - 1)
    const end = slash > 0 ? slash + 1 : width
    parts.push(rest.slice(0, end))
    rest = rest.slice(end)
  }
  return [...parts, rest]
}
