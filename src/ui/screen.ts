import { fold } from './fold.ts'
import type { Choice, Line, Question, Screen } from './ui.ts'

export type Size = { readonly columns: number; readonly rows: number }

/** Somebody sits before at least this; what is smaller gets a screen in pages. */
const SMALLEST_PAGE = 4

/**
 * A screen as it fits on a terminal: folded to its width; where that is too long without blank lines, then without its spare
 * lines; where nothing helps, in pages.
 *
 * @param below lines that stand below it, such as a question
 * @returns pages, each of at most so many lines as the terminal has left
 */
export function layOutScreen(screen: Screen, size: Size, below: number): readonly (readonly Line[])[] {
  const room = Math.max(size.rows - below, SMALLEST_PAGE)
  const whole = [screen.title, ...screen.body]
  const tries = [
    whole,
    whole.filter(({ text }) => text.trim() !== ''),
    whole.filter(({ text, isSpare }) => text.trim() !== '' && !isSpare),
  ].map((lines) => lines.flatMap((one) => fold(one, size.columns)))
  const fitting = tries.find((lines) => lines.length <= room)
  if (fitting !== undefined) return [fitting]
  const last = tries.at(-1) ?? []
  // The last page stands above what is below it; those before it have one line to wait on.
  const pages: (readonly Line[])[] = []
  for (let at = 0; at < last.length; at += room) pages.push(last.slice(at, at + room))
  return pages
}

/**
 * Lines that a question takes on the terminal (@inquirer/select 5: message, choices, a blank one, the keys).
 * One more is for the cursor.
 */
export function linesOfQuestion<V extends string>(
  { message, choices }: Pick<Question<V>, 'message' | 'choices'>,
  { columns }: Size,
): number {
  const height = (text: string): number => fold({ text }, columns).length
  const asChoice = ({ label, hint }: Choice<V>): string => `  ${hint ? `${label} (${hint})` : label}`
  return (
    height(`? ${message}`) +
    choices.map(asChoice).reduce((sum, text) => sum + height(text), 0) +
    BLANK_AND_KEYS
  )
}

const BLANK_AND_KEYS = 2

/** The same as text for a file, a pipe or --yes. */
export function screenLines({ title, body }: Screen): readonly Line[] {
  return [{ text: '' }, title, ...body]
}

/**
 * Clears the terminal: what stood there scrolls up and can be looked at again (ECMA-48: CUP to the first line, ED to the end).
 */
export function clearing({ rows }: Size): string {
  return `${'\n'.repeat(rows)}\x1b[H\x1b[J`
}
