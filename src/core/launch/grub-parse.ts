/* Long: one grammar: each rule calls the others. */

import type { Failure } from '../failure.ts'
import { coreFailure } from '../failures.ts'
import { splitGrubScript, type Token } from './grub-lexer.ts'
import { plainText, type Word } from './grub-word.ts'

export type Command =
  | { readonly kind: 'simple'; readonly words: readonly Word[]; readonly block: readonly Command[] | null }
  | {
      readonly kind: 'if'
      readonly branches: readonly {
        readonly condition: readonly Command[]
        readonly body: readonly Command[]
      }[]
      readonly otherwise: readonly Command[]
    }
  | { readonly kind: 'function'; readonly name: string; readonly body: readonly Command[] }
  /** A loop: its body is kept, because what it could change is then unknown. */
  | {
      readonly kind: 'opaque'
      readonly keyword: string
      /** What a `for` loop sets. */
      readonly variable: string | null
      readonly body: readonly Command[]
    }

/** Deeper nesting than this is no menu but an attempt to exhaust the stack. */
const MAX_DEPTH = 64

type ParseState = { readonly name: string; readonly tokens: readonly Token[]; at: number; depth: number }

/**
 * Parses a GRUB script (GRUB 2.06, grub-core/script/parser.y): commands, blocks in braces as the last argument,
 * if / elif / else / fi, functions. Loops are recognised but not run. What GRUB's grammar does not have is refused: GRUB
 * leaves such lines out and runs the others.
 * @param name of the file, for messages
 * @throws Failure `grub-cfg-unreadable`
 */
export function parseGrubScript(text: string, name = 'grub.cfg'): Command[] {
  const state: ParseState = { name, tokens: splitGrubScript(text, name), at: 0, depth: 0 }
  const commands = parseCommands(state, [], true)
  if (state.at < state.tokens.length) throw unexpected(state)
  return commands
}

function unexpected(state: ParseState): Failure {
  const token = state.tokens[state.at]
  const shown =
    token === undefined
      ? 'its end'
      : token.kind === 'symbol'
        ? token.symbol
        : (plainText(token.word) ?? 'a word')
  return coreFailure('grub-cfg-unreadable', {
    what: `${state.name}: ${JSON.stringify(shown)} is out of place${token ? ` in line ${token.line}` : ''}`,
  })
}

function peekSymbol(state: ParseState): string | null {
  const token = state.tokens[state.at]
  return token?.kind === 'symbol' ? token.symbol : null
}

function peekKeyword(state: ParseState): string | null {
  const token = state.tokens[state.at]
  return token?.kind === 'word' ? plainText(token.word) : null
}

/**
 * Commands up to one of the closing keywords, a closing brace or the end. At least one, each but the last in braces with a
 * delimiter after it: a line end, or a semicolon and line ends (parser.y, commands1 and delimiters1). Functions are
 * defined at the top of a file alone (parser.y, statement).
 */
function parseCommands(state: ParseState, closers: readonly string[], isTop = false): Command[] {
  state.depth += 1
  if (state.depth > MAX_DEPTH) throw unexpected(state)
  const commands: Command[] = []
  skipLineEnds(state)
  while (state.at < state.tokens.length) {
    const symbol = peekSymbol(state)
    if (symbol === '}' || (symbol === null && closers.includes(peekKeyword(state) ?? ''))) break
    if (symbol !== null || (!isTop && peekKeyword(state) === 'function')) throw unexpected(state)
    commands.push(parseCommand(state))
    if (!skipDelimiters(state) && (isTop || peekSymbol(state) !== '}') && state.at < state.tokens.length)
      throw unexpected(state)
  }
  if (!isTop && commands.length === 0) throw unexpected(state)
  state.depth -= 1
  return commands
}

function skipLineEnds(state: ParseState): void {
  while (peekSymbol(state) === '\n') state.at += 1
}

function skipDelimiters(state: ParseState): boolean {
  const start = state.at
  if (peekSymbol(state) === ';') state.at += 1
  skipLineEnds(state)
  return state.at > start
}

/** Words that cannot name a command, and all reserved ones (GRUB 2.06, grub-core/script/yylex.l). */
const RESERVED = new Set([
  'then',
  'elif',
  'else',
  'fi',
  'do',
  'done',
  'case',
  'esac',
  'select',
  'in',
  '[[',
  ']]',
])
const KEYWORDS = new Set([...RESERVED, 'if', 'for', 'while', 'until', 'function'])

function parseCommand(state: ParseState): Command {
  const keyword = peekKeyword(state)
  if (keyword !== null && RESERVED.has(keyword)) throw unexpected(state)
  if (keyword === 'if') return parseIf(state)
  if (keyword === 'function') return parseFunction(state)
  if (keyword === 'for' || keyword === 'while' || keyword === 'until') return parseLoop(state, keyword)
  return parseSimple(state)
}

function expectKeyword(state: ParseState, keyword: string): void {
  if (peekKeyword(state) !== keyword) throw unexpected(state)
  state.at += 1
}

function parseIf(state: ParseState): Command {
  const branches: { condition: Command[]; body: Command[] }[] = []
  let otherwise: Command[] = []
  state.at += 1
  for (;;) {
    const condition = parseCommands(state, ['then'])
    expectKeyword(state, 'then')
    branches.push({ condition, body: parseCommands(state, ['elif', 'else', 'fi']) })
    const next = peekKeyword(state)
    state.at += 1
    if (next === 'elif') continue
    if (next === 'else') {
      otherwise = parseCommands(state, ['fi'])
      expectKeyword(state, 'fi')
    } else if (next !== 'fi') {
      state.at -= 1
      throw unexpected(state)
    }
    return { kind: 'if', branches, otherwise }
  }
}

function parseFunction(state: ParseState): Command {
  state.at += 1
  const name = takeName(state)
  skipLineEnds(state)
  const body = parseBlock(state)
  // parser.y, function: the closing brace stands after a delimiter
  const before = state.tokens[state.at - 2]
  if (before?.kind !== 'symbol' || (before.symbol !== '\n' && before.symbol !== ';')) throw unexpected(state)
  return { kind: 'function', name, body }
}

/** A name (yylex.l, NAME). */
function takeName(state: ParseState): string {
  const name = peekKeyword(state)
  if (name === null || !/^[A-Za-z_][A-Za-z0-9_]*$/.test(name) || KEYWORDS.has(name)) throw unexpected(state)
  state.at += 1
  return name
}

function parseLoop(state: ParseState, keyword: string): Command {
  state.at += 1
  const variable = keyword === 'for' ? takeName(state) : null
  if (variable !== null) expectKeyword(state, 'in')
  const head = variable === null ? parseCommands(state, ['do']) : takeArguments(state)
  expectKeyword(state, 'do')
  const body = parseCommands(state, ['done'])
  expectKeyword(state, 'done')
  return { kind: 'opaque', keyword, variable, body: [...head, ...body] }
}

/** The words of a `for` loop, which name no command. */
function takeArguments(state: ParseState): Command[] {
  while (state.tokens[state.at]?.kind === 'word') state.at += 1
  if (!skipDelimiters(state)) throw unexpected(state)
  return []
}

function parseBlock(state: ParseState): Command[] {
  if (peekSymbol(state) !== '{') throw unexpected(state)
  state.at += 1
  const commands = parseCommands(state, [])
  if (peekSymbol(state) !== '}') throw unexpected(state)
  state.at += 1
  return commands
}

function parseSimple(state: ParseState): Command {
  const words: Word[] = []
  let block: Command[] | null = null
  while (state.at < state.tokens.length) {
    const token = state.tokens[state.at]!
    if (token.kind === 'word') {
      // A block ends the command (parser.y, grubcmd); the double brackets stand in no argument.
      const plain = plainText(token.word)
      if (block !== null || plain === '[[' || plain === ']]') throw unexpected(state)
      words.push(token.word)
      state.at += 1
    } else if (token.symbol === '{' && words.length > 0 && block === null) block = parseBlock(state)
    else if (token.symbol === '\n' || token.symbol === ';' || token.symbol === '}') break
    else throw unexpected(state)
  }
  return { kind: 'simple', words, block }
}
