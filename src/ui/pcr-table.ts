import { type Line, line } from './ui.ts'

export type PcrRow = {
  readonly index: number
  readonly before: string | null
  readonly now: string | null
  readonly predicted: string | null
  readonly change: 'none' | 'expected' | 'unexpected'
}

/** Digits of a digest that fit three to a line of 80 columns; the full values are in the report. */
const SHOWN = 16

const WORDS = { none: 'same', expected: 'changed, may change', unexpected: 'CHANGED, MUST NOT' } as const
const STYLES = { none: 'dim', expected: 'bold', unexpected: 'bad' } as const

/** PCRs before and now, at most 76 columns wide. */
export function pcrTable(rows: readonly PcrRow[]): readonly Line[] {
  if (rows.length === 0) return []
  const short = (value: string | null): string =>
    (value === null ? '?' : `${value.slice(0, SHOWN)}…`).padEnd(SHOWN + 1)
  return [
    line(`PCR  ${'before'.padEnd(SHOWN + 1)}  ${'now'.padEnd(SHOWN + 1)}  verdict`, 'dim'),
    ...rows.map((row) =>
      line(
        `${String(row.index).padStart(3)}  ${short(row.before)}  ${short(row.now)}  ${WORDS[row.change]}`,
        STYLES[row.change],
      ),
    ),
  ]
}
