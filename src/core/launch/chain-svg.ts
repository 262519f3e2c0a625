import type { MeasuredComponent } from './explain-types.ts'
import type { Bank } from './pcr.ts'

/** One extend in the drawing. */
export type ChainStep = {
  readonly label: string
  readonly detail: string | null
  readonly digest: string
  readonly changed: boolean
}

export type ChainRow = {
  readonly index: number
  readonly bank: Bank
  readonly steps: readonly ChainStep[]
  readonly value: string | null
  readonly changed: boolean
}

const BOX = { width: 170, height: 62, gap: 26, rowGap: 40, left: 110, top: 56 } as const
const LABELS: Readonly<Record<MeasuredComponent['role'], string>> = {
  mle: 'tboot (MLE)',
  xen: 'Xen',
  kernel: 'dom0 kernel',
  initramfs: 'initramfs',
  module: 'module',
  platform: 'SINIT, platform',
  policy: 'tboot policy',
  other: 'other entry',
}

/** Rows for the drawing: what went into which register, marked where it differs from the list of before. */
export function chainRows(
  now: readonly MeasuredComponent[],
  before: readonly MeasuredComponent[] | null,
  bank: Bank,
  values: Readonly<Record<number, string>>,
): ChainRow[] {
  const indices = [...new Set(now.map((one) => one.pcr))].sort((a, b) => a - b)
  return indices.map((index) => {
    const own = (list: readonly MeasuredComponent[]) =>
      list.filter((one) => one.pcr === index && one.digests[bank] !== undefined)
    const old = before === null ? null : own(before)
    const steps = own(now).map(
      (one, i): ChainStep => ({
        label: LABELS[one.role],
        detail: one.path,
        digest: one.digests[bank]!,
        changed: old !== null && old[i]?.digests[bank] !== one.digests[bank],
      }),
    )
    const changed = steps.some((step) => step.changed) || (old !== null && old.length !== steps.length)
    return { index, bank, steps, value: values[index] ?? null, changed }
  })
}

/**
 * The extend chains as an SVG for the report: a row per register, a box per extend. Changed ones have a thick dashed frame
 * and the word "changed", so that no meaning hangs on colour alone. All text is escaped and shortened.
 */
export function renderChainSvg(rows: readonly ChainRow[]): string {
  const columns = Math.max(1, ...rows.map((row) => row.steps.length + 1))
  const width = BOX.left + columns * (BOX.width + BOX.gap)
  const height = BOX.top + rows.length * (BOX.height + BOX.rowGap)
  const body = rows.map((row, i) => renderRow(row, BOX.top + i * (BOX.height + BOX.rowGap))).join('\n')
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" font-family="sans-serif" font-size="12">`,
    '<title>What the launch extended into which register</title>',
    '<defs><marker id="end" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="7" markerHeight="7" orient="auto"><path d="M0 0L8 4L0 8z"/></marker></defs>',
    `<rect width="${width}" height="${height}" fill="#ffffff"/>`,
    '<text x="16" y="28" font-size="15">new value = H(old value | digest), from left to right</text>',
    body,
    '</svg>',
    '',
  ].join('\n')
}

function renderRow(row: ChainRow, top: number): string {
  const middle = top + BOX.height / 2
  const heading = `<text x="16" y="${middle - 4}" font-weight="bold">PCR ${row.index}</text><text x="16" y="${middle + 12}">${escapeXml(row.bank)}</text>`
  const boxes = row.steps.map((step, i) => renderBox(placeOf(i), top, step, '#eef3f8'))
  const value: ChainStep = {
    label: 'register value',
    detail: null,
    digest: row.value ?? 'unknown',
    changed: row.changed,
  }
  const arrows = row.steps.map((_, i) => renderArrow(placeOf(i) + BOX.width, middle))
  return [heading, ...boxes, ...arrows, renderBox(placeOf(row.steps.length), top, value, '#f7f2e4')].join(
    '\n',
  )
}

function placeOf(column: number): number {
  return BOX.left + column * (BOX.width + BOX.gap)
}

function renderArrow(x: number, y: number): string {
  return `<line x1="${x}" y1="${y}" x2="${x + BOX.gap}" y2="${y}" stroke="#000000" marker-end="url(#end)"/>`
}

function renderBox(x: number, y: number, step: ChainStep, fill: string): string {
  const frame = step.changed ? 'stroke="#a40000" stroke-width="3" stroke-dasharray="6 3"' : 'stroke="#444444"'
  const line = (offset: number, text: string, extra = '') =>
    `<text x="${x + 8}" y="${y + offset}"${extra}>${escapeXml(shorten(text, 26))}</text>`
  return [
    `<rect x="${x}" y="${y}" width="${BOX.width}" height="${BOX.height}" rx="6" fill="${fill}" ${frame}/>`,
    line(17, step.changed ? `${step.label} - changed` : step.label, ' font-weight="bold"'),
    step.detail === null ? '' : line(34, step.detail),
    line(52, `${step.digest.slice(0, 16)}...`, ' font-family="monospace"'),
  ].join('')
}

function shorten(text: string, length: number): string {
  return text.length <= length ? text : `${text.slice(0, length - 12)}...${text.slice(-9)}`
}

/** XML text: markup escaped, characters XML 1.0 forbids and direction marks replaced. */
function escapeXml(text: string): string {
  return text
    .replace(/[^\t\x20-\x7e\u00a0-\u200a\u2010-\u2027\u2030-\u2065\u2070-\ud7ff\uf900-\ufefe]/g, '?')
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
}
