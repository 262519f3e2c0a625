import type { Failure } from '../failure.ts'
import { coreFailure } from '../failures.ts'
import { isReserved, type Word, type WordPart } from './grub-word.ts'

export type Token =
  | { readonly kind: 'word'; readonly word: Word; readonly line: number }
  | { readonly kind: 'symbol'; readonly symbol: string; readonly line: number }

const SYMBOLS = ['||', '&&', ';;', '\n', ';', '{', '}', '|', '&', '<', '>'] as const
const NAME = /(?:[A-Za-z_][A-Za-z0-9_]*|[0-9]+|[?#*@])/y

/**
 * Splits a GRUB script into words and symbols, as GRUB 2.06 does (grub-core/script/yylex.l):
 * - outside quotes a backslash takes the next character as it is, and joins lines at a line end;
 * - 'single quotes' keep everything; "double quotes" know \$ \\ \" and the joined line, other backslashes stay;
 * - $"..." is text to translate, whose value is not known here; # begins a comment where a word could begin.
 * Words are separated by spaces and tabs alone (yylex.l, BLANK and CHAR).
 * @param text one character for each byte
 * @param name of the file, for messages
 * @throws Failure `grub-cfg-unreadable` at an open quote or a stray $
 */
export function splitGrubScript(text: string, name = 'grub.cfg'): Token[] {
  if (text.includes('\0')) throw unreadable(name, 1, 'it holds a NUL byte, at which GRUB ends the line')
  const lines = readLines(text)
  const state: LexState = {
    name,
    lines,
    text: lines.map(([line]) => line).join('\n'),
    at: 0,
    line: 1,
    isJoined: false,
    tokens: [],
  }
  while (state.at < state.text.length) {
    const char = state.text[state.at]!
    if (char === ' ' || char === '\t') state.at += 1
    else if (char === '#') skipComment(state)
    else if (isJoinedLine(state)) {
      advance(state, 2)
      state.isJoined = true
    } else if (!takeSymbol(state)) takeWord(state)
  }
  return state.tokens
}

type Line = readonly [text: string, number: number]

type LexState = {
  readonly name: string
  readonly lines: readonly Line[]
  readonly text: string
  at: number
  /** Among `lines`, from 1. */
  line: number
  /** A joined line stands before the next word, or in it. */
  isJoined: boolean
  readonly tokens: Token[]
}

/**
 * Lines as GRUB takes them from a file: carriage returns are dropped wherever they stand (GRUB 2.06, grub-core/lib/getline.c,
 * grub_file_getline), and lines that begin with # too, within quotes as well (normal/main.c, read_config_file_getline).
 */
function readLines(text: string): Line[] {
  const lines = text.replaceAll('\r', '').split('\n')
  return lines.map((line, index): Line => [line, index + 1]).filter(([line]) => !line.startsWith('#'))
}

/** The number of the line in the file. */
function lineOf(state: LexState): number {
  return state.lines[state.line - 1]?.[1] ?? 1
}

function advance(state: LexState, count: number): void {
  for (let i = 0; i < count; i++) if (state.text[state.at + i] === '\n') state.line += 1
  state.at += count
}

function skipComment(state: LexState): void {
  const end = state.text.indexOf('\n', state.at)
  const stop = end === -1 ? state.text.length : end
  if (state.text[stop - 1] === '\\')
    throw unreadable(state.name, lineOf(state), 'a comment ends in a backslash')
  state.at = stop
}

function isJoinedLine(state: LexState): boolean {
  return state.text[state.at] === '\\' && state.text[state.at + 1] === '\n'
}

function takeSymbol(state: LexState): boolean {
  const symbol = SYMBOLS.find((one) => state.text.startsWith(one, state.at))
  if (symbol === undefined) return false
  state.isJoined = false
  state.tokens.push({ kind: 'symbol', symbol, line: lineOf(state) })
  advance(state, symbol.length)
  return true
}

const WORD_END = new Set([...' \t\n{}|&;<>'])

function takeWord(state: LexState): void {
  const parts: WordPart[] = []
  const line = lineOf(state)
  while (state.at < state.text.length && !WORD_END.has(state.text[state.at]!)) takePart(state, parts)
  // GRUB begins a word at a joined line, so that what follows is no reserved word to it (yylex.l, MULTILINE in WORD).
  if (state.isJoined && isReserved(parts))
    throw unreadable(state.name, line, 'a line is joined before or in a word of the language')
  state.isJoined = false
  state.tokens.push({ kind: 'word', word: parts, line })
}

function takePart(state: LexState, parts: WordPart[]): void {
  const char = state.text[state.at]!
  if (char === "'") takeSingle(state, parts)
  else if (char === '"') takeDouble(state, parts, true)
  else if (char === '$' && state.text[state.at + 1] === '"') {
    state.at += 1
    takeDouble(state, [], false)
    parts.push({ kind: 'variable', name: '"..."', quoted: true })
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
  if (next === '\n') state.isJoined = true
  else if (next !== undefined) parts.push({ kind: 'text', text: next, quoted: true })
  advance(state, next === undefined ? 1 : 2)
}

function takeSingle(state: LexState, parts: WordPart[]): void {
  const end = state.text.indexOf("'", state.at + 1)
  if (end === -1) throw unreadable(state.name, lineOf(state), "a ' is not closed")
  parts.push({ kind: 'text', text: state.text.slice(state.at + 1, end), quoted: true })
  advance(state, end + 1 - state.at)
}

function takeDouble(state: LexState, parts: WordPart[], expands: boolean): void {
  const start = lineOf(state)
  state.at += 1
  let text = ''
  const flush = () => {
    parts.push({ kind: 'text', text, quoted: true })
    text = ''
  }
  for (;;) {
    const char = state.text[state.at]
    if (char === undefined) throw unreadable(state.name, start, 'a " is not closed')
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
    throw unreadable(state.name, lineOf(state), 'a $ names no variable')
  parts.push({ kind: 'variable', name, quoted })
  state.at = end + (isBraced ? 1 : 0)
}

function unreadable(name: string, line: number, why: string): Failure {
  return coreFailure('grub-cfg-unreadable', {
    what: `${name} line ${line}: ${why}`,
    why: 'GRUB itself stops at such a line',
  })
}
