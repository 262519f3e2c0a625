/*
 * The report as a page: what it says, apart from how it looks. markdown.ts and html.ts render it, so that no sentence and
 * no fact is written twice.
 */

/**
 * A piece of text. `words`, `strong` and `dim` are this program's own; `said` (prose), `code` and `hash` hold foreign text,
 * which may come from an attacker: each renderer makes them harmless.
 */
export type Span = {
  readonly kind: 'words' | 'strong' | 'dim' | 'said' | 'code' | 'hash'
  readonly text: string
}

export type Mark = 'good' | 'attention' | 'unknown'

export type MarkedLine = { readonly mark: Mark; readonly spans: readonly Span[] }

export type TableRow = {
  readonly cells: readonly (readonly Span[])[]
  /** Something in this row is not as it was; shown by weight, beside its words. */
  readonly isMarked?: boolean
}

export type Block =
  | { readonly kind: 'text'; readonly spans: readonly Span[] }
  | { readonly kind: 'picture' }
  | {
      readonly kind: 'table'
      /** What it is about, for its looks alone. */
      readonly name: 'registers' | 'packages' | 'components' | 'files' | 'answers' | 'steps'
      readonly head: readonly string[]
      readonly rows: readonly TableRow[]
    }

export type Section = {
  readonly title: string
  readonly blocks: readonly Block[]
  /** The Markdown is one sheet to keep; what is too long for it stands in the HTML, and all facts in the JSON. */
  readonly only?: 'markdown' | 'html'
}

export type ReportPage = {
  readonly title: string
  /** When, of what: one line below the title. */
  readonly about: readonly Span[]
  readonly verdict: { readonly mark: Mark; readonly headline: string; readonly lines: readonly MarkedLine[] }
  readonly sections: readonly Section[]
  /** What the report cannot say, and what it leaves out. */
  readonly limits: readonly (readonly Span[])[]
}

export function words(text: string): Span {
  return { kind: 'words', text }
}

export function strong(text: string): Span {
  return { kind: 'strong', text }
}

export function dim(text: string): Span {
  return { kind: 'dim', text }
}

/** Prose with foreign words in it. */
export function said(text: string): Span {
  return { kind: 'said', text: shortenForeign(text) }
}

/** A foreign name, path or command line. */
export function code(text: string): Span {
  return { kind: 'code', text: shortenForeign(text) }
}

/** Hex digits. */
export function hash(text: string): Span {
  return { kind: 'hash', text: shortenForeign(text) }
}

/** Longer than any honest name or command line of a line or five; the JSON has all of it. */
const MAX_FOREIGN = 600

function shortenForeign(text: string): string {
  const characters = [...text]
  if (characters.length <= MAX_FOREIGN) return text
  return `${characters.slice(0, MAX_FOREIGN).join('')}... (${characters.length - MAX_FOREIGN} characters more)`
}

/** More rows than an honest session has; the rest is counted, and stands in the JSON. */
const MAX_ROWS = 60

/** A table of at most 60 rows, which says how many it leaves out. */
export function makeTable(
  name: Extract<Block, { kind: 'table' }>['name'],
  head: readonly string[],
  rows: readonly TableRow[],
): Block {
  const left = rows.length - MAX_ROWS
  if (left <= 0) return { kind: 'table', name, head, rows }
  const more = { cells: head.map((_, at) => (at === 0 ? [dim(`${left} more, in the JSON`)] : [])) }
  return { kind: 'table', name, head, rows: [...rows.slice(0, MAX_ROWS), more] }
}

/** ISO 8601 as `2024-07-16 20:18:52 UTC`; anything else as it is. */
export function formatTime(iso: string): string {
  const match = /^(\d{4}-\d\d-\d\d)T(\d\d:\d\d:\d\d)(?:\.\d+)?Z$/.exec(iso)
  return match ? `${match[1]} ${match[2]} UTC` : iso
}
