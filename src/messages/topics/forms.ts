import { type Line, line } from '../../ui/ui.ts'
import type { Block, Topic } from './block.ts'

/** A topic for the terminal, each paragraph one line that is broken where the screen ends. */
export function topicLines({ name, help, blocks }: Topic): readonly Line[] {
  return [line(`${name}: ${help}`, 'bold'), ...blocks.flatMap(blockLines)]
}

function blockLines(block: Block): readonly Line[] {
  switch (block.kind) {
    case 'text':
      return [line(''), line(block.text)]
    case 'head':
      return [line(''), line(block.text, 'bold')]
    case 'steps':
      return block.items.map((item, at) => ({ text: `${at + 1}. ${item}`, hang: 3 }))
    case 'list':
      return [line(''), ...block.items.map((item) => ({ text: `- ${item}`, hang: 2 }))]
    case 'command':
      return [line(''), line(`  ${block.text}`)]
    case 'table':
      return [
        line(''),
        line(`${block.head[0]} → ${block.head[1]}`, 'dim'),
        ...block.rows.map(([said, meaning]) => ({ text: `- ${said} → ${meaning}`, hang: 2 })),
      ]
  }
}

/** A topic for docs/guide.md, paragraphs as the documents have them. @param wrap breaks a paragraph at their width */
export function topicMarkdown({ blocks }: Topic, wrap: (text: string, indent: string) => string): string {
  return blocks.map((block) => blockMarkdown(block, wrap)).join('\n\n')
}

function blockMarkdown(block: Block, wrap: (text: string, indent: string) => string): string {
  switch (block.kind) {
    case 'text':
      return wrap(block.text, '')
    case 'head':
      return `**${block.text}**`
    case 'steps':
      return block.items.map((item, at) => wrap(`${at + 1}. ${item}`, '   ')).join('\n')
    case 'list':
      return block.items.map((item) => wrap(`- ${item}`, '  ')).join('\n')
    case 'command':
      return ['```console', `[user@dom0 ~]$ ${block.text}`, '```'].join('\n')
    case 'table':
      return [
        `| ${block.head.join(' | ')} |`,
        '|---|---|',
        ...block.rows.map((row) => `| ${row.join(' | ')} |`),
      ].join('\n')
  }
}
