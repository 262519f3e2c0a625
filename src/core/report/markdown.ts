import { sanitizeLine } from '../harmless-text.ts'
import type { Block, Mark, ReportPage, Span } from './page.ts'

/**
 * A report page as Markdown, short enough for one sheet: what is long stands in the HTML and the JSON beside it. Foreign text stands as code, without line ends, control or bidirectional characters.
 * @param picture name of the drawing beside the report; null where there is none
 */
export function renderMarkdown(page: ReportPage, picture: string | null): string {
  const { title, about, verdict, sections, limits } = page
  return [
    `# ${title}`,
    '',
    `**${verdict.headline}**`,
    '',
    ...verdict.lines.map(({ mark, spans }) => `- ${MARKS[mark]} ${renderSpans(spans)}`),
    '',
    renderSpans(about),
    '',
    ...sections
      .filter(({ only }) => only !== 'html')
      .flatMap((section) => [
        `## ${section.title}`,
        ...section.blocks.flatMap((block) => [...renderBlock(block, picture), '']),
      ]),
    [...limits.map(renderSpans), BESIDE].join(' '),
    '',
  ]
    .map(sanitizeLine)
    .join('\n')
}

const BESIDE = 'The HTML has what vouched for each part, the boot files, and every question with its answer.'

const MARKS: Readonly<Record<Mark, string>> = { good: '✔', attention: '**!**', unknown: '**?**' }

function renderBlock(block: Block, picture: string | null): readonly string[] {
  if (block.kind === 'text') return [renderSpans(block.spans)]
  if (block.kind === 'picture')
    return picture === null ? [] : [`![What went into each register, and what changed](${picture})`]
  // GitHub Flavored Markdown 0.29, 4.10: a `|` ends a cell, in code too, unless it is escaped.
  const row = (cells: readonly string[]): string =>
    `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`
  const { head, rows } = block
  return [
    row(head),
    `|${head.map(() => '---').join('|')}|`,
    ...rows.map(({ cells }) => row(cells.map((spans, at) => renderCell(spans, cells[at - 1])))),
  ]
}

/** Digits that stand in the cell before are not printed again. */
function renderCell(spans: readonly Span[], before: readonly Span[] | undefined): string {
  const [only] = spans
  const isAgain = only?.kind === 'hash' && before?.[0]?.kind === 'hash' && before[0].text === only.text
  return isAgain ? 'the same' : renderSpans(spans)
}

function renderSpans(spans: readonly Span[]): string {
  return spans.map(renderSpan).join('').trim()
}

function renderSpan({ kind, text }: Span): string {
  if (kind === 'words' || kind === 'dim') return text
  if (kind === 'strong') return `**${text.trim()}**${/ $/.test(text) ? ' ' : ''}`
  const harmless = sanitizeLine(text).replaceAll('`', "'").trim()
  return harmless === '' ? '' : `\`${harmless}\``
}
