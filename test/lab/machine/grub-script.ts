/*
 * GRUB's script language, as far as a grub.cfg of Qubes uses it: words, quotes, variables, blocks, if, function
 * (GRUB 2.06, grub-core/script/yylex.l and parser.y; manual, "Writing full configuration files directly").
 */

/** A piece of a word; a variable outside quotes is split at blanks after it was replaced. */
export type Piece = { readonly text: string } | { readonly variable: string; readonly quoted: boolean }
export type Word = readonly Piece[]

export type Statement =
  | { readonly kind: 'command'; readonly words: readonly Word[]; readonly block: readonly Statement[] | null }
  | {
      readonly kind: 'if'
      readonly branches: readonly { condition: readonly Statement[]; body: readonly Statement[] }[]
    }
  | { readonly kind: 'function'; readonly name: string; readonly body: readonly Statement[] }

type Token = { readonly word: Word } | { readonly end: true }

const VARIABLE = /^\$(?:([A-Za-z_]\w*|\d+|[?@#*])|\{([A-Za-z_]\w*|\d+|[?@#*])\})/

/** Splits a script into words and ends of commands. @throws Error at a quote or a variable that does not end */
export function tokenize(script: string): Token[] {
  const tokens: Token[] = []
  let pieces: Piece[] | null = null
  const add = (piece: Piece): void => {
    pieces = [...(pieces ?? []), piece]
  }
  const finish = (): void => {
    if (pieces) tokens.push({ word: pieces })
    pieces = null
  }
  const variable = (at: number, quoted: boolean): number => {
    const match = VARIABLE.exec(script.slice(at, at + 80))
    if (!match) throw new Error(`grub.cfg: a $ without a name at ${at}`)
    add({ variable: match[1] ?? match[2] ?? '', quoted })
    return at + match[0].length
  }
  let at = 0
  while (at < script.length) {
    const char = script.charAt(at)
    if (char === ' ' || char === '\t') {
      finish()
      at++
    } else if (char === '\n' || char === ';') {
      finish()
      tokens.push({ end: true })
      at++
    } else if (char === '#' && !pieces) {
      while (at < script.length && script[at] !== '\n') at++
    } else if (char === "'") {
      const end = script.indexOf("'", at + 1)
      if (end < 0) throw new Error(`grub.cfg: a quote that does not end at ${at}`)
      add({ text: script.slice(at + 1, end) })
      at = end + 1
    } else if (char === '"') {
      add({ text: '' })
      at++
      while (script[at] !== '"') {
        if (at >= script.length) throw new Error('grub.cfg: a double quote that does not end')
        if (script[at] === '$') at = variable(at, true)
        else {
          if (script[at] === '\\' && /["$\\]/.test(script[at + 1] ?? '')) at++
          add({ text: script.charAt(at++) })
        }
      }
      at++
    } else if (char === '\\') {
      if (script[at + 1] !== '\n') add({ text: script.charAt(at + 1) })
      at += 2
    } else if (char === '$') at = variable(at, false)
    else if (/[{}]/.test(char) && !pieces && /[\s;]|^$/.test(script.charAt(at + 1))) {
      add({ text: char })
      finish()
      at++
    } else if (/[|&<>]/.test(char)) throw new Error(`grub.cfg: ${char} outside quotes is not known here`)
    else {
      add({ text: char })
      at++
    }
  }
  finish()
  return [...tokens, { end: true }]
}

/** A word that is written plainly, for keywords; null when a variable is in it. */
function plain(word: Word): string | null {
  return word.every((piece) => 'text' in piece)
    ? word.map((piece) => ('text' in piece ? piece.text : '')).join('')
    : null
}

/** Reads a whole script. @throws Error at a block that does not end */
export function parseGrubScript(script: string): readonly Statement[] {
  const tokens = tokenize(script)
  let at = 0
  const wordAt = (index: number): string | null => {
    const token = tokens[index]
    return token && 'word' in token ? plain(token.word) : null
  }
  const statements = (ends: readonly string[]): Statement[] => {
    const found: Statement[] = []
    for (;;) {
      while (at < tokens.length && 'end' in (tokens[at] as Token)) at++
      const keyword = wordAt(at)
      if (at >= tokens.length) {
        if (ends.length === 0) return found
        throw new Error(`grub.cfg ends where ${ends.join(' or ')} is missing`)
      }
      if (keyword !== null && ends.includes(keyword)) return found
      if (keyword === 'if') found.push(ifStatement())
      else if (keyword === 'function') {
        const name = wordAt(at + 1)
        if (!name || wordAt(at + 2) !== '{') throw new Error('grub.cfg: a function without name or block')
        at += 3
        found.push({ kind: 'function', name, body: block() })
      } else found.push(command())
    }
  }
  const block = (): readonly Statement[] => {
    const body = statements(['}'])
    at++
    return body
  }
  const ifStatement = (): Statement => {
    const branches: { condition: readonly Statement[]; body: readonly Statement[] }[] = []
    while (wordAt(at) === 'if' || wordAt(at) === 'elif') {
      at++
      const condition = statements(['then'])
      at++
      branches.push({ condition, body: statements(['elif', 'else', 'fi']) })
    }
    if (wordAt(at) === 'else') {
      at++
      branches.push({ condition: [], body: statements(['fi']) })
    }
    at++
    return { kind: 'if', branches }
  }
  const command = (): Statement => {
    const words: Word[] = []
    for (;;) {
      const token = tokens[at]
      if (!token || 'end' in token) return { kind: 'command', words, block: null }
      at++
      if (plain(token.word) === '{') return { kind: 'command', words, block: block() }
      words.push(token.word)
    }
  }
  return statements([])
}
