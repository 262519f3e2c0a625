/*
 * The words of a GRUB script, as GRUB's own lexer cuts them (GRUB 2.06, grub-core/script/yylex.l). Blanks are space and
 * tab, a line ends at the newline: nothing else separates, so U+00A0, U+2003, vertical tab and form feed are part of a
 * word. Texts are Latin-1 strings, one character for each byte. Shares no code with src/core/launch, which it judges.
 */

/** A part of a word: bare text, quoted text, or a variable outside or inside double quotes. */
export type Piece = {
  readonly kind: 'bare' | 'quoted' | 'variable' | 'quoted-variable'
  readonly text: string
}

export type Token = {
  readonly kind: 'word' | 'symbol' | 'newline' | 'bad'
  /** As it stands in the file. */
  readonly raw: string
  readonly pieces: readonly Piece[]
  readonly start: number
  readonly end: number
}

/** `{ } | & $ ; < >` blank, newline, quotes and backslash end bare text (CHAR in yylex.l). */
const CHAR = /[^{}|&$;<> \t\n'"\\]/
const VARIABLE = /\$(?:([A-Za-z_][A-Za-z0-9_]*|[0-9]+|[?#*@])|\{([A-Za-z_][A-Za-z0-9_]*|[0-9]+|[?#*@])\})/y
const SYMBOL = /\|\||&&|;;|[|&;<>{}]/y

/** Lines as GRUB's reader hands them over: no carriage returns, each up to a NUL, none that begins with `#`. */
export function linesGrubReads(text: string): string {
  const lines = text
    .replaceAll('\r', '')
    .split('\n')
    .map((line) => line.split('\0')[0] ?? '')
  return lines.filter((line) => !line.startsWith('#')).join('\n')
}

/** The token at `at`, or null at the end of the text. */
export function nextToken(text: string, at: number): Token | null {
  let start = at
  for (;;) {
    while (text[start] === ' ' || text[start] === '\t') start++
    if (text[start] !== '#') break
    while (start < text.length && text[start] !== '\n') start++
  }
  if (start >= text.length) return null
  const make = (kind: Token['kind'], end: number, pieces: readonly Piece[] = []): Token => ({
    kind,
    raw: text.slice(start, end),
    pieces,
    start,
    end,
  })
  if (text[start] === '\n') return make('newline', start + 1)
  SYMBOL.lastIndex = start
  const symbol = SYMBOL.exec(text)?.[0]
  if (symbol) return make('symbol', start + symbol.length)
  const word = readWord(text, start)
  // an unfinished quotation asks for more lines until there are none
  if (word === 'unfinished') return make('bad', text.length)
  if (word === 'bad' || word.end === start) return make('bad', start + 1)
  return make('word', word.end, word.pieces)
}

type Read = { readonly end: number; readonly pieces: readonly Piece[] } | 'unfinished' | 'bad'

function readWord(text: string, start: number): Read {
  const pieces: Piece[] = []
  let at = start
  for (;;) {
    const char = text[at]
    if (char === undefined) break
    if (char === "'") {
      const end = text.indexOf("'", at + 1)
      if (end < 0) return 'unfinished'
      pieces.push({ kind: 'quoted', text: text.slice(at + 1, end) })
      at = end + 1
    } else if (char === '"') {
      const quoted = readDoubleQuotes(text, at + 1)
      if (typeof quoted === 'string') return quoted
      pieces.push({ kind: 'quoted', text: '' }, ...quoted.pieces)
      at = quoted.end
    } else if (char === '\\') {
      const escaped = text[at + 1]
      if (escaped === undefined) return 'unfinished'
      // an escaped newline is dropped; `\xHH` stays as it is (Fedora's patch to script/execute.c)
      const isByte = /^x[0-9A-Fa-f]{2}/.test(text.slice(at + 1, at + 4))
      pieces.push({ kind: 'bare', text: escaped === '\n' ? '' : isByte ? `\\${escaped}` : escaped })
      at += 2
    } else if (char === '$') {
      VARIABLE.lastIndex = at
      const found = VARIABLE.exec(text)
      if (!found) break
      pieces.push({ kind: 'variable', text: found[1] ?? found[2] ?? '' })
      at += found[0].length
    } else if (CHAR.test(char)) {
      let end = at
      while (end < text.length && CHAR.test(text[end] ?? ' ')) end++
      pieces.push({ kind: 'bare', text: text.slice(at, end) })
      at = end
    } else break
  }
  return { end: at, pieces }
}

/** State DQUOTE of yylex.l: `\$ \\ \"` are undone, an escaped newline is dropped, another backslash stays. */
function readDoubleQuotes(text: string, start: number): Read {
  const pieces: Piece[] = []
  let plain = ''
  const flush = (): void => {
    if (plain !== '') pieces.push({ kind: 'quoted', text: plain })
    plain = ''
  }
  for (let at = start; at < text.length; at++) {
    const char = text[at] ?? ''
    if (char === '"') {
      flush()
      return { end: at + 1, pieces }
    }
    if (char === '\\') {
      const escaped = text[at + 1] ?? ''
      if (escaped === '$' || escaped === '\\' || escaped === '"') plain += escaped
      else if (escaped !== '\n') plain += `\\${escaped}`
      at++
    } else if (char === '$') {
      VARIABLE.lastIndex = at
      const found = VARIABLE.exec(text)
      if (!found) return 'bad'
      flush()
      pieces.push({ kind: 'quoted-variable', text: found[1] ?? found[2] ?? '' })
      at += found[0].length - 1
    } else plain += char
  }
  return 'unfinished'
}
