import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Message } from '../../src/ui/message.ts'
import { renderMessage } from '../../src/ui/render-message.ts'
import { layOutScreen, linesOfQuestion } from '../../src/ui/screen.ts'
import { line } from '../../src/ui/ui.ts'
import { runMain } from '../support/io.ts'

/* What is printed without --details, and what with it. */

const texts = (message: Message, form: 'step' | 'look' | 'detailed') =>
  renderMessage(message, form).map(({ text }) => text.trim())

const GOOD: Message = {
  tone: 'good',
  what: 'all of it, in more words',
  brief: 'all of it',
  why: 'because',
  details: [line('in order', 'dim'), line('seen'), line('to be looked at', 'warn')],
}
const BAD: Message = { ...GOOD, tone: 'attention', next: 'do it' }

describe('a message', () => {
  it.each([
    ['step', GOOD, ['✔ all of it', 'to be looked at']],
    ['look', GOOD, ['✔ all of it, in more words', 'seen', 'to be looked at']],
    ['detailed', GOOD, ['✔ all of it, in more words', 'in order', 'seen', 'to be looked at', 'why: because']],
    ['step', BAD, ['▲ all of it, in more words', 'seen', 'to be looked at', 'why: because', 'next: do it']],
    ['look', BAD, ['▲ all of it, in more words', 'seen', 'to be looked at', 'why: because', 'next: do it']],
  ] as const)('as %s', (form, message, expected) => {
    expect(texts(message, form)).toEqual(expected)
  })

  it('that stands there already is not printed again', () => {
    expect(texts({ ...GOOD, brief: '' }, 'step')).toEqual(['to be looked at'])
    expect(texts({ ...BAD, brief: '' }, 'step')[0]).toBe('▲ all of it, in more words')
  })
})

describe('the clean rehearsal', () => {
  const say = async (isCompact: boolean): Promise<readonly string[]> => {
    const argv = ['rehearse', '--scenario', 'clean-update', '--yes', '--no-color']
    return (await runMain(argv, { isCompact })).stdout.split('\n')
  }

  it('has one line for each good step, and no title, where nothing is asked', async () => {
    const lines = await say(true)
    expect(lines.filter((text) => text.startsWith('  ✔ ')).length).toBeGreaterThan(12)
    for (const text of ['Look for Anti Evil Maid', 'Verify the sealed copies', 'Explain every change'])
      expect(lines).not.toContain(text)
    expect(lines.filter((text) => /^ +why: /.test(text))).toEqual([])
  })

  it('says on the first use what the secret alone vouches for', async () => {
    const said = (await say(true)).join(' ').replaceAll(/ +/g, ' ')
    expect(said).toContain('it vouches for what AEM sealed last, unseen: no state was approved here yet')
  })

  it('has all of it with --details', async () => {
    const lines = await say(false)
    for (const text of ['Look for Anti Evil Maid', 'Verify the sealed copies', 'Explain every change'])
      expect(lines).toContain(text)
    expect(lines.filter((text) => /^ +why: /.test(text)).length).toBeGreaterThan(4)
    expect(lines.filter((text) => /PCR 18 {2}[0-9a-f]{64}$/.test(text))).toHaveLength(2)
  })
})

describe('a screen', () => {
  const screen = {
    title: line('title'),
    body: [line('one'), line(''), line('two'), { text: 'spare', isSpare: true as const }, line('last')],
    enter: null,
  }
  const pagesAt = (rows: number) =>
    layOutScreen(screen, { columns: 40, rows }, 1).map((page) => page.map(({ text }) => text))

  it.each([
    [7, [['title', 'one', '', 'two', 'spare', 'last']]],
    [6, [['title', 'one', 'two', 'spare', 'last']]],
    [5, [['title', 'one', 'two', 'last']]],
  ])('in %i rows leaves out blank lines first, then what is spare', (rows, pages) => {
    expect(pagesAt(rows)).toEqual(pages)
  })

  it('is never higher than its room, and in pages loses nothing but blank and spare lines', () => {
    const aLine = fc.record({ text: fc.string({ maxLength: 120 }) })
    fc.assert(
      fc.property(
        fc.array(aLine),
        fc.integer({ min: 8, max: 40 }),
        fc.integer({ min: 1, max: 4 }),
        (body, rows, below) => {
          const pages = layOutScreen({ title: line('t'), body, enter: null }, { columns: 60, rows }, below)
          for (const page of pages) expect(page.length).toBeLessThanOrEqual(rows - below)
          const letters = (list: readonly { text: string }[]) =>
            list.map(({ text }) => text.replaceAll(/[^a-zA-Z0-9]/g, '')).join('')
          expect(letters(pages.flat())).toBe(letters([line('t'), ...body]))
        },
      ),
    )
  })

  it('leaves room for the question below it', () => {
    const choices = [
      { value: 'a' as const, label: 'short' },
      { value: 'b' as const, label: 'x'.repeat(30), hint: 'y'.repeat(20) },
    ]
    const size = { columns: 40, rows: 24 }
    // Message, one choice, one in two lines, a blank line, the keys.
    expect(linesOfQuestion({ message: 'which?', choices }, size)).toBe(6)
  })
})
