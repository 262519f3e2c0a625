import { Failure } from '../failure.ts'
import { splitGrubScript, type Token, type Word } from './grub-lexer.ts'

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
  /** A loop or a pipe: its body is kept, because what it could change is then unknown. */
  | { readonly kind: 'opaque'; readonly keyword: string; readonly body: readonly Command[] }

/** Deeper nesting than this is no menu but an attempt to exhaust the stack. */
const MAX_DEPTH = 64

type ParseState = { readonly tokens: readonly Token[]; at: number; depth: number }

/**
 * Parses a GRUB script (GRUB 2.06, grub-core/script/parser.y): commands, blocks in braces as the last argument,
 * if / elif / else / fi, functions. Loops are recognised but not run.
 * @throws Failure `grub-cfg-unreadable`
 */
export function parseGrubScript(text: string): Command[] {
  const state: ParseState = { tokens: splitGrubScript(text), at: 0, depth: 0 }
  const commands = parseCommands(state, [])
  if (state.at < state.tokens.length) throw unexpected(state)
  return commands
}

/** The word's text when it is plain, as keywords and command names are; null with quotes or variables. */
export function plainText(word: Word): string | null {
  if (!word.every((part) => part.kind === 'text' && !part.quoted)) return null
  return word.map((part) => (part.kind === 'text' ? part.text : '')).join('')
}

function unexpected(state: ParseState): Failure {
  const token = state.tokens[state.at]
  const shown =
    token === undefined
      ? 'its end'
      : token.kind === 'symbol'
        ? token.symbol
        : (plainText(token.word) ?? 'a word')
  return new Failure({
    code: 'grub-cfg-unreadable',
    what: `grub.cfg: ${JSON.stringify(shown)} is out of place${token ? ` in line ${token.line}` : ''}`,
    why: null,
    next: 'generate it anew: sudo grub2-mkconfig -o /boot/grub2/grub.cfg',
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

/** Commands up to one of the closing keywords, a closing brace or the end. */
function parseCommands(state: ParseState, closers: readonly string[]): Command[] {
  state.depth += 1
  if (state.depth > MAX_DEPTH) throw unexpected(state)
  const commands: Command[] = []
  while (state.at < state.tokens.length) {
    const symbol = peekSymbol(state)
    if (symbol === '\n' || symbol === ';') state.at += 1
    else if (symbol === '}') break
    else if (symbol !== null) throw unexpected(state)
    else if (closers.includes(peekKeyword(state) ?? '')) break
    else commands.push(parseCommand(state))
  }
  state.depth -= 1
  return commands
}

/** Words that cannot name a command (GRUB 2.06, grub-core/script/yylex.l). */
const RESERVED = new Set(['then', 'elif', 'else', 'fi', 'do', 'done', 'case', 'esac', 'select', '[[', ']]'])

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
  const name = peekKeyword(state)
  if (name === null) throw unexpected(state)
  state.at += 1
  while (peekSymbol(state) === '\n') state.at += 1
  return { kind: 'function', name, body: parseBlock(state) }
}

function parseLoop(state: ParseState, keyword: string): Command {
  state.at += 1
  const head = parseCommands(state, ['do'])
  expectKeyword(state, 'do')
  const body = parseCommands(state, ['done'])
  expectKeyword(state, 'done')
  return { kind: 'opaque', keyword, body: [...head, ...body] }
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
      words.push(token.word)
      state.at += 1
    } else if (token.symbol === '{' && words.length > 0 && block === null) block = parseBlock(state)
    else if (token.symbol === '\n' || token.symbol === ';' || token.symbol === '}') break
    else throw unexpected(state)
  }
  return { kind: 'simple', words, block }
}
