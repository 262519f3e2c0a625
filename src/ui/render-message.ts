import type { FailureText } from '../core/failure.ts'
import type { Message } from './message.ts'
import { type Line, line, type Ui } from './ui.ts'

const MARK = { good: '✔', info: '•', attention: '▲', alarm: '✖' } as const
const STYLE = { good: 'good', info: undefined, attention: 'warn', alarm: 'bad' } as const

/** Of all that stands below the mark of a message. */
const INDENT = 4

const FAILURE_INDENT = 'error: '.length

/**
 * How much of a message is printed:
 * - step: one line where it is good, with what is wrong beside it
 * - look: what was asked for, and the next act
 * - detailed: all of it
 */
export type Form = 'step' | 'look' | 'detailed'

/** A message: the mark, what, details, why, next, as far as the form has them. */
export function renderMessage(message: Message, form: Form = 'detailed'): readonly Line[] {
  const { tone, what, brief, why, next } = message
  const isGood = tone === 'good' || tone === 'info'
  const said = form === 'step' && isGood ? (brief ?? what) : what
  return [
    ...(said === '' ? [] : [{ text: `  ${MARK[tone]} ${said}`, style: STYLE[tone], hang: INDENT }]),
    ...(message.details ?? [])
      .filter(({ style }) => isTold(form, isGood, style))
      .map((detail) => indented(detail, INDENT)),
    ...(why && (form === 'detailed' || !isGood) ? labelled('why', why) : []),
    ...(next ? labelled('next', next) : []),
  ]
}

/** What is dim or good is in order. */
function isTold(form: Form, isGood: boolean, style: Line['style']): boolean {
  if (form === 'detailed') return true
  if (form === 'step' && isGood) return style === 'warn' || style === 'bad'
  return style !== 'dim' && style !== 'good'
}

/** Prints what a look found; an alarm as its screen, which is text here: nothing waits. */
export function sayLook(ui: Ui, message: Message): void {
  const { screen } = message
  if (screen && !ui.isDetailed) ui.say([screen.title, ...screen.body])
  else ui.say(renderMessage(message, ui.isDetailed ? 'detailed' : 'look'))
}

/**
 * A failure for standard error: error, why, next, and the tool's own words, which stay as they are. Each is one line, to be
 * broken where the screen ends.
 */
export function renderFailure(text: FailureText): readonly Line[] {
  const labelledBy = (label: string, words: string): Line => ({
    text: `${label.padEnd(FAILURE_INDENT)}${words}`,
    hang: FAILURE_INDENT,
  })
  return [
    labelledBy('error:', text.what),
    ...(text.why ? [labelledBy('why:', text.why)] : []),
    labelledBy('next:', text.next),
    ...(text.verbatim ? text.verbatim.split('\n').map((own) => line(`  | ${own}`, 'dim')) : []),
  ]
}

/** A line further to the right, with all its later lines. */
export function indented(own: Line, columns: number): Line {
  return {
    ...own,
    text: `${' '.repeat(columns)}${own.text}`,
    ...(own.hang === undefined ? {} : { hang: own.hang + columns }),
  }
}

function labelled(label: string, text: string): readonly Line[] {
  const head = `${label}: `
  const hang = INDENT + head.length
  return text.split('\n').map((part, at) => ({
    text: `${' '.repeat(INDENT)}${at === 0 ? head : ' '.repeat(head.length)}${part}`,
    hang,
  }))
}

/**
 * Breaks at blanks, but not in a command between backticks, which is to be copied; a word longer than the width stands
 * alone and is never cut.
 */
export function wrap(text: string, width: number): readonly string[] {
  const lines: string[] = []
  let current = ''
  for (const word of splitWords(text, width)) {
    if (current !== '' && current.length + 1 + word.length > width) {
      lines.push(current)
      current = word
    } else {
      current = current === '' ? word : `${current} ${word}`
    }
  }
  return [...lines, current]
}

/** Words, and commands between backticks as one, if they fit into a line. */
function splitWords(text: string, width: number): readonly string[] {
  const isOpen = (piece: string): boolean => piece.split('`').length % 2 === 0
  const pieces: string[] = []
  for (const word of text.split(' ')) {
    const last = pieces.at(-1)
    if (last !== undefined && isOpen(last)) pieces[pieces.length - 1] = `${last} ${word}`
    else pieces.push(word)
  }
  return pieces.flatMap((piece) => (isOpen(piece) || piece.length > width ? piece.split(' ') : [piece]))
}
