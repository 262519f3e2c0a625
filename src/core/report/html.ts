import { createHash } from 'node:crypto'
import { escapeMarkup } from '../harmless-text.ts'
import type { ChainRow } from '../launch/chain.ts'
import { renderInlineChain } from '../launch/chain-svg.ts'
import { PAGE_STYLE } from './html-style.ts'
import type { Block, Mark, MarkedLine, ReportPage, Section, Span } from './page.ts'

/**
 * A report page as one HTML file that loads nothing, runs nothing and links nothing. All text is escaped; should a mistake
 * let markup through all the same, the policy forbids every script, style, picture and request but this file's own style,
 * by its digest (Content Security Policy Level 3, sections 3.3 and 8.4).
 * @param chain what the picture shows; needed where the page has one
 */
export function renderHtml(page: ReportPage, chain: readonly ChainRow[] | null): string {
  const { title, about, verdict, sections, limits } = page
  return [
    '<!DOCTYPE html>',
    '<html lang="en">',
    '<head>',
    '<meta charset="utf-8">',
    `<meta http-equiv="Content-Security-Policy" content="${policyOf(PAGE_STYLE)}">`,
    '<meta name="referrer" content="no-referrer">',
    '<meta name="viewport" content="width=device-width, initial-scale=1">',
    '<meta name="color-scheme" content="light dark">',
    `<title>${escapeMarkup(`${verdict.headline} - ${title}`)}</title>`,
    `<style>${PAGE_STYLE}</style>`,
    '</head>',
    '<body>',
    '<main>',
    `<header class="verdict ${verdict.mark}">`,
    `<p class="title">${escapeMarkup(title)}</p>`,
    `<h1>${escapeMarkup(verdict.headline)}</h1>`,
    '<ul>',
    ...verdict.lines.map(renderLine),
    '</ul>',
    `<p class="about">${renderSpans(about)}</p>`,
    '</header>',
    ...sections.filter(({ only }) => only !== 'markdown').map((section) => renderSection(section, chain)),
    '</main>',
    '<footer>',
    ...limits.map((spans) => `<p>${renderSpans(spans)}</p>`),
    '</footer>',
    '</body>',
    '</html>',
    '',
  ].join('\n')
}

function policyOf(style: string): string {
  const digest = createHash('sha256').update(style).digest('base64')
  return `default-src 'none'; style-src 'sha256-${digest}'; base-uri 'none'; form-action 'none'`
}

/** Said in words too, for who hears the page. */
const MARKS: Readonly<Record<Mark, readonly [sign: string, word: string]>> = {
  good: ['✔', 'good'],
  attention: ['!', 'attention'],
  unknown: ['?', 'not known'],
}

function renderLine({ mark, spans }: MarkedLine): string {
  const [sign, word] = MARKS[mark]
  return `<li class="${mark}"><b role="img" aria-label="${word}">${sign}</b><span>${renderSpans(spans)}</span></li>`
}

function renderSection({ title, blocks }: Section, chain: readonly ChainRow[] | null): string {
  return [
    '<section>',
    `<h2>${escapeMarkup(title)}</h2>`,
    ...blocks.map((block) => renderBlock(block, chain)),
    '</section>',
  ].join('\n')
}

function renderBlock(block: Block, chain: readonly ChainRow[] | null): string {
  if (block.kind === 'text') return `<p>${renderSpans(block.spans)}</p>`
  if (block.kind === 'picture')
    return chain === null ? '' : `<figure>\n${renderInlineChain(chain)}\n</figure>`
  const { name, head, rows } = block
  return [
    `<div class="table"><table class="${name}">`,
    `<thead><tr>${head.map((text) => `<th scope="col">${escapeMarkup(text)}</th>`).join('')}</tr></thead>`,
    '<tbody>',
    ...rows.map(({ cells, isMarked }) => {
      const drawn = cells.map((spans) => `<td>${renderSpans(spans)}</td>`).join('')
      return `<tr${isMarked ? ' class="marked"' : ''}>${drawn}</tr>`
    }),
    '</tbody></table></div>',
  ].join('\n')
}

function renderSpans(spans: readonly Span[]): string {
  return spans.map(renderSpan).join('')
}

/** Foreign text is isolated, so that letters written from right to left do not move what stands beside it. */
function renderSpan({ kind, text }: Span): string {
  if (kind === 'words') return escapeMarkup(text)
  if (kind === 'strong') return `<strong>${escapeMarkup(text)}</strong>`
  if (kind === 'dim') return `<span class="dim">${escapeMarkup(text)}</span>`
  if (kind === 'said') return `<bdi>${escapeMarkup(text)}</bdi>`
  if (kind === 'code') return `<code><bdi>${escapeMarkup(text)}</bdi></code>`
  return `<code class="hash">${escapeMarkup(text)}</code>`
}
