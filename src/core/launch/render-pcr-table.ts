import type { Bank } from './pcr.ts'

/** A line of the table; `cause` is free text and is wrapped. */
export type PcrTableRow = {
  readonly index: number
  readonly bank: Bank
  readonly before: string | null
  readonly now: string | null
  readonly predicted: string | null
  readonly cause: string
}

export type TableOptions = { readonly ascii?: boolean; readonly widthColumns?: number }

/** Enough of a digest to compare by eye; the full values are in the JSON output and the report. */
const DIGEST_DIGITS = 10
const DEFAULT_WIDTH_COLUMNS = 80
const COLUMNS = { pcr: 10, digest: 12, mark: 3 } as const
const VALUE_COLUMNS = ['before', 'now', 'predicted'] as const

/**
 * Before, now, predicted and cause at a glance:
 *
 *     PCR       before      now         predicted      cause
 *     17 sha1   3f0a91c2e7… 3f0a91c2e7… 3f0a91c2e7… =  nothing measured into it has changed
 *     18 sha1   99d2c1b04e… 41ab77d203… 41ab77d203… *  changed: Xen (image or command line)
 *
 * The mark says how the newest value stands to the oldest: `=` same, `*` other, `?` not known. A column that no row fills, as
 * `before` in a prediction, is left out. Control and direction characters of the cause are replaced: file names come
 * from the boot device.
 * @returns lines of at most `widthColumns` characters, without line ends or colours
 */
export function renderPcrTable(rows: readonly PcrTableRow[], options: TableOptions = {}): string[] {
  const width = Math.max(60, options.widthColumns ?? DEFAULT_WIDTH_COLUMNS)
  const shown = VALUE_COLUMNS.filter((name) => rows.some((row) => row[name] !== null))
  const indent = COLUMNS.pcr + shown.length * COLUMNS.digest + COLUMNS.mark
  const heading = ['PCR'.padEnd(COLUMNS.pcr), ...shown.map((name) => name.padEnd(COLUMNS.digest))].join('')
  const lines = [`${heading.padEnd(indent)}cause`]
  for (const row of rows) {
    const values = shown.map((name) => shortDigest(row[name], options.ascii ?? false))
    const head = [`${row.index} ${shortBank(row.bank)}`.padEnd(COLUMNS.pcr), ...values].join('')
    const [first = '', ...rest] = wrapText(harmless(row.cause), width - indent)
    lines.push(`${head}${markOf(row).padEnd(COLUMNS.mark)}${first}`.trimEnd())
    lines.push(...rest.map((line) => ' '.repeat(indent) + line))
  }
  return lines
}

function shortBank(bank: Bank): string {
  return bank === 'sm3_256' ? 'sm3' : bank
}

function shortDigest(value: string | null, ascii: boolean): string {
  const text = value === null ? '-' : `${value.slice(0, DIGEST_DIGITS)}${ascii ? '' : '…'}`
  return text.padEnd(COLUMNS.digest)
}

function markOf(row: PcrTableRow): string {
  const known = [row.before, row.now, row.predicted]
  const oldest = known[0] ?? known[1]
  const newest = row.before === null ? row.predicted : row.now
  if (oldest === null || oldest === undefined || newest === null) return '?'
  return oldest === newest ? '=' : '*'
}

function harmless(text: string): string {
  return text.replace(/[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g, '?')
}

function wrapText(text: string, width: number): string[] {
  const lines: string[] = []
  let line = ''
  for (const word of text.split(' ')) {
    for (const piece of word.length > width
      ? (word.match(new RegExp(`.{1,${width}}`, 'gsu')) ?? [])
      : [word]) {
      if (line !== '' && line.length + 1 + piece.length > width) {
        lines.push(line)
        line = ''
      }
      line = line === '' ? piece : `${line} ${piece}`
    }
  }
  return [...lines, line]
}
