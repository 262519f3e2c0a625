/* Long: one grammar: each rule calls the others. */

import { linesGrubReads, nextToken, type Piece, type Token } from './words.ts'

/** Statements of a GRUB script by its grammar (GRUB 2.06, grub-core/script/parser.y). */

export type Word = readonly Piece[]

export type Statement =
  | { readonly kind: 'command'; readonly words: readonly Word[]; readonly block: Block | null }
  | {
      readonly kind: 'if'
      readonly condition: readonly Statement[]
      readonly yes: readonly Statement[]
      readonly no: readonly Statement[]
    }
  | {
      readonly kind: 'for'
      readonly name: string
      readonly words: readonly Word[]
      readonly body: readonly Statement[]
    }
  | {
      readonly kind: 'loop'
      readonly until: boolean
      readonly condition: readonly Statement[]
      readonly body: readonly Statement[]
    }
  | { readonly kind: 'function'; readonly name: string; readonly body: readonly Statement[] }

export type Block = { readonly source: string; readonly body: readonly Statement[] }

const NOT_GRAMMAR = 'no grammar of a GRUB script'
type Refusal = { readonly what: typeof NOT_GRAMMAR; readonly token: Token | null }
const notGrammar = (token: Token | null): Error =>
  new Error(NOT_GRAMMAR, { cause: { what: NOT_GRAMMAR, token } satisfies Refusal })
const refusalOf = (error: unknown): Refusal | null => {
  const cause = error instanceof Error ? (error.cause as Refusal | undefined) : undefined
  return cause?.what === NOT_GRAMMAR ? cause : null
}

const KEYWORDS = new Set(
  '[[ ]] case do done elif else esac fi for if in select then until while function'.split(' '),
)
const isName = ({ raw }: Token): boolean => /^[A-Za-z_][A-Za-z0-9_]*$/.test(raw) && !KEYWORDS.has(raw)

/**
 * What GRUB runs of a configuration file, one unit after the other. A unit that is no grammar is left out up to the end
 * of the line where it fails, and reading goes on behind that, as grub-emu does (test/stage/grub-model.test.ts).
 */
export function parseScript(file: string): readonly (readonly Statement[])[] {
  const text = linesGrubReads(file)
  const units: (readonly Statement[])[] = []
  let at = 0
  while (at < text.length) {
    const reader = makeReader(text, at)
    try {
      units.push(readUnit(reader))
      at = reader.at()
    } catch (error) {
      const refusal = refusalOf(error)
      if (!refusal) throw error
      at = endOfLine(text, refusal.token)
    }
  }
  return units
}

type Reader = {
  readonly at: () => number
  readonly peek: () => Token | null
  readonly take: () => Token
  readonly source: (from: number, to: number) => string
}

function makeReader(text: string, from: number): Reader {
  let at = from
  return {
    at: () => at,
    peek: () => nextToken(text, at),
    take: () => {
      const token = nextToken(text, at)
      if (!token) throw notGrammar(null)
      at = token.end
      return token
    },
    source: (start, end) => text.slice(start, end),
  }
}

function endOfLine(text: string, token: Token | null): number {
  if (token === null || token.kind === 'newline') return token?.end ?? text.length
  // an unfinished quotation asks for more lines until there are none
  if (token.kind === 'bad' && token.end === text.length) return text.length
  const end = text.indexOf('\n', token.start)
  return end < 0 ? text.length : end + 1
}

const isSymbol = (token: Token | null, text: string): boolean =>
  token?.kind === 'symbol' && token.raw === text
const isKeyword = (token: Token | null, text: string): boolean => token?.kind === 'word' && token.raw === text
const isDelimiter = (token: Token | null): boolean => token?.kind === 'newline' || isSymbol(token, ';')

/** One line, or as many as its blocks take. */
function readUnit(reader: Reader): readonly Statement[] {
  const statements: Statement[] = []
  skipNewlines(reader, 1)
  for (;;) {
    const token = reader.peek()
    if (token === null || token.kind === 'newline') break
    statements.push(isKeyword(token, 'function') ? readFunction(reader) : readCommand(reader))
    const end = reader.peek()
    if (end === null) break
    if (!isDelimiter(end)) throw notGrammar(end)
    reader.take()
    if (end.kind === 'newline') break
  }
  return statements
}

function skipNewlines(reader: Reader, most = Number.POSITIVE_INFINITY): void {
  for (let n = 0; n < most && reader.peek()?.kind === 'newline'; n++) reader.take()
}

/** `commands1`, up to one of the words that may follow it, which need a delimiter before them unless told otherwise. */
function readCommands(reader: Reader, ends: readonly string[], needsDelimiter = true): readonly Statement[] {
  const commands: Statement[] = []
  skipNewlines(reader)
  for (;;) {
    commands.push(readCommand(reader))
    let delimited = false
    if (isDelimiter(reader.peek())) {
      reader.take()
      skipNewlines(reader)
      delimited = true
    }
    const token = reader.peek()
    if (token && ends.includes(token.raw) && (delimited || !needsDelimiter)) return commands
    if (!delimited) throw notGrammar(token)
  }
}

function readCommand(reader: Reader): Statement {
  const token = reader.peek()
  if (isKeyword(token, 'if')) return readIf(reader)
  if (isKeyword(token, 'for')) return readFor(reader)
  if (isKeyword(token, 'while') || isKeyword(token, 'until')) return readLoop(reader)
  if (token?.kind !== 'word' || KEYWORDS.has(token.raw)) throw notGrammar(token)
  const words: Word[] = []
  for (let next: Token | null = token; next?.kind === 'word'; next = reader.peek()) {
    if (next.raw === '[[' || next.raw === ']]') throw notGrammar(next)
    words.push(reader.take().pieces)
  }
  return { kind: 'command', words, block: isSymbol(reader.peek(), '{') ? readBlock(reader) : null }
}

function readBlock(reader: Reader): Block {
  const from = reader.take().end
  const body = readCommands(reader, ['}'], false)
  const closing = reader.take()
  return { source: reader.source(from, closing.start), body }
}

function readFunction(reader: Reader): Statement {
  reader.take()
  const name = reader.take()
  if (!isName(name)) throw notGrammar(name)
  skipNewlines(reader)
  if (!isSymbol(reader.peek(), '{')) throw notGrammar(reader.peek())
  reader.take()
  const body = readCommands(reader, ['}'])
  reader.take()
  return { kind: 'function', name: name.raw, body }
}

function readIf(reader: Reader): Statement {
  reader.take()
  const condition = readCommands(reader, ['then'])
  reader.take()
  const yes = readCommands(reader, ['else', 'elif', 'fi'])
  const word = reader.peek()?.raw
  if (word === 'elif') return { kind: 'if', condition, yes, no: [readIf(reader)] }
  reader.take()
  if (word === 'fi') return { kind: 'if', condition, yes, no: [] }
  const no = readCommands(reader, ['fi'])
  reader.take()
  return { kind: 'if', condition, yes, no }
}

function readFor(reader: Reader): Statement {
  reader.take()
  const name = reader.take()
  if (!isName(name) || !isKeyword(reader.take(), 'in')) throw notGrammar(name)
  const words: Word[] = []
  while (reader.peek()?.kind === 'word') words.push(reader.take().pieces)
  if (!isDelimiter(reader.take())) throw notGrammar(name)
  skipNewlines(reader)
  if (!isKeyword(reader.take(), 'do')) throw notGrammar(name)
  const body = readCommands(reader, ['done'])
  reader.take()
  return { kind: 'for', name: name.raw, words, body }
}

function readLoop(reader: Reader): Statement {
  const until = reader.take().raw === 'until'
  const condition = readCommands(reader, ['do'])
  reader.take()
  const body = readCommands(reader, ['done'])
  reader.take()
  return { kind: 'loop', until, condition, body }
}
