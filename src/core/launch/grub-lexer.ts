import { Failure } from '../failure.ts'

/** A piece of a word: text stands for itself, a variable is expanded when the word is used. */
export type WordPart =
  | { readonly kind: 'text'; readonly text: string; readonly quoted: boolean }
  | { readonly kind: 'variable'; readonly name: string; readonly quoted: boolean }

export type Word = readonly WordPart[]

export type Token =
  | { readonly kind: 'word'; readonly word: Word; readonly line: number }
  | { readonly kind: 'symbol'; readonly symbol: string; readonly line: number }

const SYMBOLS = ['||', '&&', ';;', '\n', ';', '{', '}', '|', '&', '<', '>'] as const
const NAME = /(?:[A-Za-z_][A-Za-z0-9_]*|[0-9]+|[?#*@])/y

/**
 * Splits a GRUB script into words and symbols, as GRUB 2.06 does (grub-core/script/yylex.l):
 * - outside quotes a backslash takes the next character as it is, and joins lines at a line end;
 * - 'single quotes' keep everything; "double quotes" know \$ \\ \" and the joined line, other backslashes stay;
 * - $"..." is text to translate, taken as it stands; # begins a comment where a word could begin.
 * @throws Failure `grub-cfg-unreadable` at an open quote or a stray $
 */
export function splitGrubScript(text: string): Token[] {
  const state: LexState = { text, at: 0, line: 1, tokens: [] }
  while (state.at < text.length) {
    const char = text[state.at]!
    if (char === ' ' || char === '\t') state.at += 1
    else if (char === '#') skipComment(state)
    else if (isJoinedLine(state)) advance(state, 2)
    else if (!takeSymbol(state)) takeWord(state)
  }
  return state.tokens
}

type LexState = { readonly text: string; at: number; line: number; readonly tokens: Token[] }

function advance(state: LexState, count: number): void {
  for (let i = 0; i < count; i++) if (state.text[state.at + i] === '\n') state.line += 1
  state.at += count
}

function skipComment(state: LexState): void {
  const end = state.text.indexOf('\n', state.at)
  state.at = end === -1 ? state.text.length : end
}

function isJoinedLine(state: LexState): boolean {
  return state.text[state.at] === '\\' && state.text[state.at + 1] === '\n'
}

function takeSymbol(state: LexState): boolean {
  const symbol = SYMBOLS.find((one) => state.text.startsWith(one, state.at))
  if (symbol === undefined) return false
  state.tokens.push({ kind: 'symbol', symbol, line: state.line })
  advance(state, symbol.length)
  return true
}

const WORD_END = new Set([...' \t\n{}|&;<>'])

function takeWord(state: LexState): void {
  const parts: WordPart[] = []
  const { line } = state
  while (state.at < state.text.length && !WORD_END.has(state.text[state.at]!)) takePart(state, parts)
  state.tokens.push({ kind: 'word', word: parts, line })
}

function takePart(state: LexState, parts: WordPart[]): void {
  const char = state.text[state.at]!
  if (char === "'") takeSingle(state, parts)
  else if (char === '"') takeDouble(state, parts, true)
  else if (char === '$' && state.text[state.at + 1] === '"') {
    state.at += 1
    takeDouble(state, parts, false)
  } else if (char === '$') takeVariable(state, parts, false)
  else if (char === '\\') takeEscape(state, parts)
  else takePlain(state, parts)
}

function takePlain(state: LexState, parts: WordPart[]): void {
  const plain = /[^{}|&$;<> \t\n'"\\]+/y
  plain.lastIndex = state.at
  const text = plain.exec(state.text)?.[0] ?? state.text[state.at]!
  parts.push({ kind: 'text', text, quoted: false })
  state.at += text.length
}

function takeEscape(state: LexState, parts: WordPart[]): void {
  const next = state.text[state.at + 1]
  if (next !== undefined && next !== '\n') parts.push({ kind: 'text', text: next, quoted: true })
  advance(state, next === undefined ? 1 : 2)
}

function takeSingle(state: LexState, parts: WordPart[]): void {
  const end = state.text.indexOf("'", state.at + 1)
  if (end === -1) throw unreadable(state, "a ' is not closed")
  parts.push({ kind: 'text', text: state.text.slice(state.at + 1, end), quoted: true })
  advance(state, end + 1 - state.at)
}

function takeDouble(state: LexState, parts: WordPart[], expands: boolean): void {
  const start = state.line
  state.at += 1
  let text = ''
  const flush = () => {
    parts.push({ kind: 'text', text, quoted: true })
    text = ''
  }
  for (;;) {
    const char = state.text[state.at]
    if (char === undefined) throw unreadable({ ...state, line: start }, 'a " is not closed')
    if (char === '"') break
    const next = state.text[state.at + 1]
    if (char === '\\' && next !== undefined && '$\\"\n'.includes(next)) {
      if (next !== '\n') text += next
      advance(state, 2)
    } else if (char === '$' && expands) {
      flush()
      takeVariable(state, parts, true)
    } else {
      text += char
      advance(state, 1)
    }
  }
  flush()
  state.at += 1
}

function takeVariable(state: LexState, parts: WordPart[], quoted: boolean): void {
  const isBraced = state.text[state.at + 1] === '{'
  NAME.lastIndex = state.at + (isBraced ? 2 : 1)
  const name = NAME.exec(state.text)?.[0]
  const end = NAME.lastIndex
  if (name === undefined || (isBraced && state.text[end] !== '}'))
    throw unreadable(state, 'a $ names no variable')
  parts.push({ kind: 'variable', name, quoted })
  state.at = end + (isBraced ? 1 : 0)
}

function unreadable(state: LexState, why: string): Failure {
  return new Failure({
    code: 'grub-cfg-unreadable',
    what: `grub.cfg line ${state.line}: ${why}`,
    why: 'GRUB itself stops at such a line',
    next: 'generate it anew: sudo grub2-mkconfig -o /boot/grub2/grub.cfg',
  })
}
