/* Long: one scanner: each form of quotes ends in another. */

/*
 * What a file of plain shell assignments assigns, without a shell.
 *
 * /etc/anti-evil-maid.conf is sourced by bash under `set -euo pipefail` (anti-evil-maid 4.2.0, sbin/anti-evil-maid-seal,
 * lines 2 and 39). Read here are assignments, `+=`, `export`, several on a line, quotes, escapes, continuation lines,
 * comments, and variables that the file itself assigned before, each as bash does it: bash(1), QUOTING and PARAMETERS; in an
 * assignment no words are split and no file names are matched (SIMPLE COMMAND EXPANSION). Anything else could change every
 * variable, so a file in which it stands is not read at all.
 */

/** Where a file says something whose meaning only a shell can tell. */
export type UnreadLine = {
  /** 1-based. */
  readonly line: number
  /** The line as it stands, cut where it is long. */
  readonly text: string
  readonly reason: string
}

export type Assigned = {
  readonly value: string
  /** Where in the text its last assignment ends. */
  readonly end: number
}

/** A file that doubles a variable on each line would fill the memory. */
const MAX_VALUE = 4096
const MAX_SHOWN = 160

/** Characters that bash takes for themselves outside of quotes: no pattern, brace, tilde or operator. */
const PLAIN = /^[A-Za-z0-9_./:,=+@%^#-]$/

/** bash(1), Shell Variables: what bash sets by itself, or works by. Assigned, it does more, or less, than to keep a value. */
const SPECIAL =
  /^(?:_|BASH.*|COMP_.*|COPROC|DIRSTACK|ENV|EPOCH.*|EUID|FUNC.*|GLOBIGNORE|GROUPS|HIST.*|HOME|HOST.*|IFS|LANG|LANGUAGE|LC_.*|LD_.*|LINENO|MACHTYPE|MAPFILE|OLDPWD|OPT.*|OSTYPE|PATH|PIPESTATUS|POSIXLY_CORRECT|PPID|PS[0-9]|PWD|RANDOM|READLINE.*|REPLY|SECONDS|SHELL|SHELLOPTS|SHLVL|SRANDOM|TIMEFORMAT|TMOUT|TMPDIR|UID)$/

type Reader = {
  readonly text: string
  readonly variables: Map<string, Assigned>
  at: number
  /** Why the file is not read, and where; the first one counts. */
  fault: { readonly at: number; readonly reason: string } | null
}

/** The variables that a file assigns, with the value that each has at its end; or the first line that is not read. */
export function readShellAssignments(text: string): ReadonlyMap<string, Assigned> | UnreadLine {
  const reader: Reader = { text, variables: new Map(), at: 0, fault: null }
  const zero = text.indexOf('\0')
  if (zero !== -1) return locate(text, zero, 'there is a NUL in it')
  while (reader.at < text.length && reader.fault === null) readStatement(reader)
  return reader.fault === null ? reader.variables : locate(text, reader.fault.at, reader.fault.reason)
}

/** The line of a place in the text, as a reason for not reading it. */
export function locate(text: string, at: number, reason: string): UnreadLine {
  const begin = text.lastIndexOf('\n', at - 1) + 1
  const end = text.indexOf('\n', at)
  const line = text.slice(0, at).split('\n').length
  const shown = text.slice(begin, end === -1 ? undefined : end).trim()
  return { line, text: shown.length > MAX_SHOWN ? `${shown.slice(0, MAX_SHOWN)}…` : shown, reason }
}

function refuse(reader: Reader, reason: string, at = reader.at): null {
  reader.fault ??= { at: Math.min(at, Math.max(reader.text.length - 1, 0)), reason }
  return null
}

/** The next character, behind any continuation; undefined at the end. */
function peek(reader: Reader): string | undefined {
  while (reader.text.startsWith('\\\n', reader.at)) reader.at += 2
  return reader.text[reader.at]
}

function isBlank(character: string | undefined): boolean {
  return character === ' ' || character === '\t'
}

function isEnd(character: string | undefined): boolean {
  return character === undefined || character === '\n' || character === ';'
}

/** Assignments, or one `export`, up to the end of a line or a semicolon. */
function readStatement(reader: Reader): void {
  let words = 0
  let isExport = false
  for (;;) {
    while (isBlank(peek(reader))) reader.at += 1
    const begin = reader.at
    const first = peek(reader)
    if (first === '#') skipComment(reader)
    if (first === '#' || isEnd(first)) break
    const name = readName(reader)
    const next = peek(reader)
    if (name === 'export' && words === 0 && isBlank(next)) isExport = true
    else if (name !== '' && next === '=') assign(reader, name, '')
    else if (name !== '' && isAppend(reader)) assign(reader, name, reader.variables.get(name)?.value)
    else if (!isExport || name === '' || !(isBlank(next) || isEnd(next)))
      refuse(reader, 'it is more than an assignment', begin)
    if (reader.fault !== null) return
    words += 1
  }
  if (reader.text[reader.at] === ';' && words === 0) refuse(reader, 'nothing stands before the semicolon')
  if (isExport && words === 1) refuse(reader, 'export without a name')
  reader.at += 1
}

function skipComment(reader: Reader): void {
  const end = reader.text.indexOf('\n', reader.at)
  reader.at = end === -1 ? reader.text.length : end
}

function isAppend(reader: Reader): boolean {
  if (peek(reader) !== '+') return false
  reader.at += 1
  return peek(reader) === '='
}

function readName(reader: Reader): string {
  let name = ''
  for (let next = peek(reader); next !== undefined; next = peek(reader)) {
    if (!(name === '' ? /[A-Za-z_]/ : /[A-Za-z0-9_]/).test(next)) break
    name += next
    reader.at += 1
  }
  return name
}

/**
 * The reader stands on the `=`.
 * @param before what the value is put behind; undefined: `+=` to a variable that only the environment could know
 */
function assign(reader: Reader, name: string, before: string | undefined): void {
  if (SPECIAL.test(name)) refuse(reader, `bash itself gives ${name} a meaning`)
  if (before === undefined) refuse(reader, `the file gives ${name} no value before this`)
  reader.at += 1
  const value = readValue(reader)
  if (value === null || before === undefined) return
  if (before.length + value.length > MAX_VALUE) {
    refuse(reader, `the value of ${name} is longer than ${MAX_VALUE} characters`, reader.at - 1)
    return
  }
  reader.variables.set(name, { value: before + value, end: reader.at })
}

function readValue(reader: Reader): string | null {
  let value = ''
  for (let next = peek(reader); !isEnd(next) && !isBlank(next); next = peek(reader)) {
    const part = readPart(reader, next as string)
    if (part === null) return null
    value += part
    if (value.length > MAX_VALUE) return refuse(reader, `a value is longer than ${MAX_VALUE} characters`)
  }
  return value
}

function readPart(reader: Reader, next: string): string | null {
  if (next === "'") return readSingleQuoted(reader)
  if (next === '"') return readDoubleQuoted(reader)
  if (next === '$') return readVariable(reader)
  if (next === '\\') return readEscaped(reader)
  if (!PLAIN.test(next)) return refuse(reader, `outside of quotes ${nameOf(next)} has a meaning of its own`)
  reader.at += 1
  return next
}

function nameOf(character: string): string {
  if (character === '\r') return 'a carriage return'
  return /^[!-~]$/.test(character) ? `\`${character}\`` : 'a character that is not ASCII'
}

function readSingleQuoted(reader: Reader): string | null {
  const end = reader.text.indexOf("'", reader.at + 1)
  if (end === -1) return refuse(reader, 'a quote is not closed')
  const value = reader.text.slice(reader.at + 1, end)
  reader.at = end + 1
  return value
}

function readEscaped(reader: Reader): string | null {
  const escaped = reader.text[reader.at + 1]
  if (escaped === undefined) return refuse(reader, 'a backslash stands at the end')
  reader.at += 2
  return escaped
}

function readDoubleQuoted(reader: Reader): string | null {
  const begin = reader.at
  let value = ''
  reader.at += 1
  for (let next = peek(reader); next !== '"'; next = peek(reader)) {
    if (next === undefined) return refuse(reader, 'a quote is not closed', begin)
    const part = readQuotedPart(reader, next)
    if (part === null) return null
    value += part
    if (value.length > MAX_VALUE) return refuse(reader, `a value is longer than ${MAX_VALUE} characters`)
  }
  reader.at += 1
  return value
}

function readQuotedPart(reader: Reader, next: string): string | null {
  if (next === '`') return refuse(reader, 'it runs a command')
  if (next === '$') return readVariable(reader)
  // In double quotes a backslash escapes these alone (bash(1), QUOTING); peek has taken the line end.
  const escaped = reader.text[reader.at + 1]
  if (next === '\\' && escaped !== undefined && '$`"\\'.includes(escaped)) return readEscaped(reader)
  reader.at += 1
  return next
}

/** `$NAME` or `${NAME}` of a variable that the file assigned before. */
function readVariable(reader: Reader): string | null {
  const begin = reader.at
  reader.at += 1
  const isBraced = peek(reader) === '{'
  if (isBraced) reader.at += 1
  const name = readName(reader)
  if (name === '') {
    const isCommand = !isBraced && peek(reader) === '('
    return refuse(reader, isCommand ? 'it runs a command' : 'this form of $ is not read', begin)
  }
  if (isBraced && peek(reader) !== '}') return refuse(reader, 'this form of $ is not read', begin)
  if (isBraced) reader.at += 1
  const variable = reader.variables.get(name)
  return variable?.value ?? refuse(reader, `the file gives ${name} no value before this`, begin)
}
