/* Long: one drawing: every part shares the same measures. */

import { escapeMarkup } from '../harmless-text.ts'
import type { ChainRow, ChainStep } from './chain.ts'
import type { MeasuredComponent } from './explain-types.ts'
import { PCR } from './pcr.ts'

/** Sizes in user units, which are pixels; the whole is 960 wide, which a small screen shows. */
const PAGE = { width: 960, left: 92, top: 84, inlineTop: 44, legend: 42 } as const
const BOX = { width: 192, height: 86, gap: 24, lineGap: 16, rowGap: 30 } as const
const COLUMNS = 4
/** More extends than a launch has are a hostile log's; the rest is counted and not drawn. */
const MAX_BOXES = 24
const TEXT_CHARACTERS = 25
const DIGEST_CHARACTERS = 20

/** What went into a register, in words. */
export const ROLE_LABELS: Readonly<Record<MeasuredComponent['role'], string>> = {
  mle: 'tboot (MLE)',
  xen: 'Xen',
  kernel: 'dom0 kernel',
  initramfs: 'initramfs',
  module: 'further module',
  platform: 'SINIT, platform',
  policy: 'tboot policy',
  other: 'other entry',
  'xen-entry': 'where Xen is entered',
  'boot-info': 'boot information',
  'launch-info': 'launch information',
  'command-line': 'command line',
}

const STATE_WORDS: Readonly<Record<ChainStep['state'], string>> = {
  same: 'as before',
  changed: 'CHANGED',
  new: 'NEW',
  gone: 'NO LONGER MEASURED',
  unknown: 'not compared',
}

/**
 * Presentation attributes would not yield to a dark desktop; a viewer that knows no media query shows the light one, and
 * so does paper. The class of the whole keeps the rules to the picture where it stands in a page of others.
 */
export const CHAIN_STYLE = [
  '.chain .page{fill:#fff}.chain .box{fill:#eef3f8;stroke:#4a5560;stroke-width:1}.chain .value{fill:#f6f0dd;stroke:#4a5560;stroke-width:1}',
  '.chain .marked{stroke:#a40000;stroke-width:3.5;stroke-dasharray:9 4}.chain .text,.chain .tip{fill:#15191d}.chain .line{stroke:#15191d;stroke-width:1.4}',
  '.chain .strong{font-weight:bold}.chain .digest{font-family:monospace;font-size:12px}',
  '@media screen and (prefers-color-scheme:dark){.chain .page{fill:#14181c}.chain .box{fill:#22303d;stroke:#9fb0c0}.chain .value{fill:#3a3522;stroke:#c9bd92}.chain .marked{stroke:#ff9d8f}.chain .text,.chain .tip{fill:#f0f3f5}.chain .line{stroke:#f0f3f5}}',
].join('')

const TITLE = 'What the measured launch extended into which register'

type Box = {
  readonly kind: 'box' | 'value'
  readonly isMarked: boolean
  /** From the top; the first is bold. */
  readonly lines: readonly { readonly text: string; readonly isDigest?: boolean }[]
}

/**
 * The extend chains as an SVG for the report: a row for each register, a box for each extend in order, the value last. What
 * is not as before has a thick dashed frame and says so in capitals, so that no meaning hangs on colour alone. Foreign
 * text is made harmless, escaped and shortened; the picture has no scripts, links or outside fonts.
 */
export function renderChainSvg(rows: readonly ChainRow[]): string {
  const { body, height } = drawChain(rows, PAGE.top)
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" class="chain" viewBox="0 0 ${PAGE.width} ${height}" width="${PAGE.width}" height="${height}" ${LOOK}>`,
    `<title id="chain-title">${TITLE}</title>`,
    `<style>${CHAIN_STYLE}</style>`,
    ...body,
    '</svg>',
    '',
  ].join('\n')
}

/** The same to stand in an HTML page, without heading and no wider than it is; the page has CHAIN_STYLE among its styles. */
export function renderInlineChain(rows: readonly ChainRow[]): string {
  const { body, height } = drawChain(rows, PAGE.inlineTop)
  const columns = Math.max(MIN_INLINE_COLUMNS, ...rows.map((row) => Math.min(COLUMNS, boxesOf(row).length)))
  const width = PAGE.left + columns * (BOX.width + BOX.gap)
  return [
    `<svg class="chain" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" ${LOOK}>`,
    `<title id="chain-title">${TITLE}</title>`,
    ...body,
    '</svg>',
  ].join('\n')
}

/** The legend needs them. */
const MIN_INLINE_COLUMNS = 3

const LOOK = 'role="img" aria-labelledby="chain-title" font-family="sans-serif" font-size="13"'

function drawChain(rows: readonly ChainRow[], from: number): { body: readonly string[]; height: number } {
  let top = from
  const body: string[] = []
  for (const row of rows) {
    const boxes = boxesOf(row)
    body.push(renderRow(row, boxes, top))
    top += Math.ceil(boxes.length / COLUMNS) * (BOX.height + BOX.lineGap) - BOX.lineGap + BOX.rowGap
  }
  const height = top + PAGE.legend
  const heading = from === PAGE.top ? [textAt(16, 34, TITLE, 'strong', 'font-size="17"')] : []
  return {
    height,
    body: [
      '<defs><marker id="end" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="7" markerHeight="7" orient="auto"><path class="tip" d="M0 0L8 4L0 8z"/></marker></defs>',
      `<rect class="page" width="${PAGE.width}" height="${height}"/>`,
      ...heading,
      textAt(16, from - 26, 'From left to right: new value = H(old value | digest), beginning with zeros.'),
      ...body,
      ...renderLegend(rows, top + 10),
    ],
  }
}

function boxesOf(row: ChainRow): Box[] {
  const shown = row.steps.slice(0, MAX_BOXES)
  const left = row.steps.length - shown.length
  const rest = left > 0 ? [noteBox('and further extends', `${left} more, not drawn`)] : []
  const isHeaders = row.index === PCR.luksHeaders
  const outside = isHeaders
    ? [noteBox('LUKS headers', "measured by AEM's initrd")]
    : row.isReplayed === null
      ? [noteBox('not all is known', 'the log does not list it')]
      : []
  return [...outside, ...shown.map(stepBox), ...rest, valueBox(row)]
}

function noteBox(label: string, text: string): Box {
  return { kind: 'box', isMarked: false, lines: [{ text: label }, { text }] }
}

function stepBox({ role, path, digest, state }: ChainStep): Box {
  return {
    kind: 'box',
    isMarked: state === 'changed' || state === 'new' || state === 'gone',
    lines: [
      { text: ROLE_LABELS[role] },
      { text: path ?? '' },
      { text: digest === null ? '-' : shortDigest(digest), isDigest: true },
      { text: STATE_WORDS[state] },
    ],
  }
}

function valueBox(row: ChainRow): Box {
  const { before, value, predicted } = row
  const isKnown = before !== null && value !== null
  const compared = !isKnown ? 'not compared' : before === value ? 'as before' : 'CHANGED'
  const order = row.isReordered ? ', ANOTHER ORDER' : ''
  const foretold =
    row.isReplayed === false
      ? 'NOT WHAT THE LOG LEADS TO'
      : predicted === null || value === null
        ? 'was not predicted'
        : predicted === value
          ? 'as predicted'
          : 'NOT AS PREDICTED'
  const isMarked = [compared, order, foretold].some((text) => /[A-Z]{3}/.test(text))
  const digest = value === null ? 'not known' : shortDigest(value)
  return {
    kind: 'value',
    isMarked,
    lines: [
      { text: `value of PCR ${row.index}` },
      { text: digest, isDigest: true },
      { text: `${compared}${order}` },
      { text: foretold },
    ],
  }
}

function shortDigest(digest: string): string {
  return digest.length <= DIGEST_CHARACTERS ? digest : `${digest.slice(0, DIGEST_CHARACTERS)}...`
}

function renderRow(row: ChainRow, boxes: readonly Box[], top: number): string {
  const middle = top + BOX.height / 2
  const heading = [
    textAt(16, middle - 4, `PCR ${row.index}`, 'strong', 'font-size="15"'),
    textAt(16, middle + 14, row.bank),
  ]
  const drawn = boxes.map((box, at) => {
    const x = PAGE.left + (at % COLUMNS) * (BOX.width + BOX.gap)
    const y = top + Math.floor(at / COLUMNS) * (BOX.height + BOX.lineGap)
    const from = at % COLUMNS === 0 && at > 0 ? x - 40 : x - BOX.gap
    const arrow = at === 0 ? '' : renderArrow(from + 2, x - 1, y + BOX.height / 2)
    return `${arrow}${renderBox(box, x, y)}`
  })
  return [...heading, ...drawn].join('\n')
}

function renderArrow(from: number, to: number, y: number): string {
  return `<line class="line" x1="${from}" y1="${y}" x2="${to}" y2="${y}" marker-end="url(#end)"/>`
}

function renderBox({ kind, isMarked, lines }: Box, x: number, y: number): string {
  const frame = `<rect class="${kind}${isMarked ? ' marked' : ''}" x="${x}" y="${y}" width="${BOX.width}" height="${BOX.height}" rx="6"/>`
  const texts = lines.map(({ text, isDigest }, at) => {
    const isStrong = at === 0 || /^[A-Z ,]{3,}$/.test(text)
    const look = isDigest ? 'digest' : isStrong ? 'strong' : ''
    return text === '' ? '' : textAt(x + 10, y + 19 + at * 19, shorten(text, TEXT_CHARACTERS), look)
  })
  return [frame, ...texts].join('')
}

function renderLegend(rows: readonly ChainRow[], y: number): string[] {
  if (rows.length === 0) return [textAt(16, y + 12, 'Nothing was measured.')]
  const isCompared = rows.some((row) => row.before !== null)
  const text = isCompared
    ? 'thick dashed frame, words in capitals: not as recorded before the restart, or not as predicted'
    : 'nothing was recorded before the restart: nothing is compared here'
  return [
    `<rect class="box marked" x="16" y="${y}" width="46" height="22" rx="4"/>`,
    textAt(76, y + 16, text),
  ]
}

function textAt(x: number, y: number, text: string, look = '', more = ''): string {
  const classes = look === '' ? 'text' : `text ${look}`
  return `<text class="${classes}" x="${x}" y="${y}"${more === '' ? '' : ` ${more}`}>${escapeMarkup(text)}</text>`
}

/** The beginning and the end: both tell files apart. */
function shorten(text: string, length: number): string {
  const characters = [...text]
  if (characters.length <= length) return text
  return `${characters.slice(0, length - 13).join('')}...${characters.slice(-10).join('')}`
}
