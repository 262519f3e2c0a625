import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { fold } from '../../src/ui/fold.ts'
import { renderFailure, renderMessage } from '../../src/ui/render-message.ts'
import { toAsciiLine } from '../../src/ui/sanitize.ts'
import { readSources } from '../support/sources.ts'

/* Lines are broken once, by what prints them. */

const LONG = 'what was found is told in more words than fit into any line of eighty characters, on purpose'

describe('a message and a failure', () => {
  it('come as whole lines, for the width that there is', () => {
    const message = { tone: 'good', what: LONG, why: LONG, next: LONG, details: [{ text: LONG }] } as const
    const lines = renderMessage(message)
    expect(lines.map(({ text }) => text)).toEqual([
      `  ✔ ${LONG}`,
      `    ${LONG}`,
      `    why: ${LONG}`,
      `    next: ${LONG}`,
    ])
    expect(renderFailure({ code: 'x', what: LONG, why: null, next: LONG })).toHaveLength(2)
  })

  it('go on below their first word', () => {
    const [said] = renderMessage({ tone: 'alarm', what: LONG })
    const broken = fold(said ?? { text: '' }, 40)
    expect(broken.length).toBeGreaterThan(2)
    for (const { text } of broken.slice(1)) expect(text).toMatch(/^ {4}\S/)
  })

  it('are the only ones: nothing that is said is broken beforehand', () => {
    const breaking = readSources('src').filter(
      ({ path, imports }) =>
        !path.startsWith('src/ui/') && imports.some(({ target }) => target === 'src/ui/render-message.ts'),
    )
    const offenders = breaking.filter(({ text }) => /import \{[^}]*\bwrap\b[^}]*\}/.test(text))
    // --help is for a terminal of 80 columns, whatever its width.
    expect(offenders.map(({ path }) => path)).toEqual(['src/cli/help.ts'])
  })
})

describe('a broken line', () => {
  const words = fc.array(fc.stringMatching(/^[a-z]{1,12}$/), { minLength: 1, maxLength: 60 })

  it('is as full as it can be, loses no word, and is never wider', () => {
    fc.assert(
      fc.property(
        words,
        fc.integer({ min: 30, max: 100 }),
        fc.integer({ min: 0, max: 8 }),
        (list, columns, hang) => {
          const text = `${' '.repeat(hang)}${list.join(' ')}`
          const lines = fold({ text, hang }, columns).map((one) => one.text)
          expect(lines.map((one) => one.trim()).join(' ')).toBe(list.join(' '))
          for (const [at, one] of lines.entries()) {
            expect(one.length).toBeLessThanOrEqual(columns)
            const next = lines[at + 1]?.trim().split(' ')[0]
            if (next !== undefined) expect(one.length + 1 + next.length).toBeGreaterThan(columns)
          }
        },
      ),
    )
  })

  it('stands below its label where there is no room beside it', () => {
    const lines = fold({ text: `${'session'.padEnd(18)}${LONG}`, hang: 18 }, 30)
    expect(lines.every(({ text }) => text.length <= 30)).toBe(true)
  })
})

describe('a line in ASCII', () => {
  it('has its columns where they were', () => {
    const row = '  ✔ one      2024…  three'
    const { text } = toAsciiLine({ text: row })
    expect(text).toBe('  [ok] one   2024~  three')
    expect(text.indexOf('three')).toBe(row.indexOf('three'))
  })

  it('takes what it needs of each gap, and leaves one blank', () => {
    expect(toAsciiLine({ text: '✔✔  a     b' }).text).toBe('[ok][ok] a b')
  })

  it.each([
    ['▲ something that goes on', 2, 5],
    ['    next: “x” and more', 10, 10],
    ['plain', 0, 0],
  ])('%s begins its later lines below the same word', (text, hang, then) => {
    expect(toAsciiLine({ text, hang }).hang).toBe(then)
  })
})
