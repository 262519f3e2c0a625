import { describe, expect, it } from 'vitest'
import { machineOf } from '../support/built-in.ts'
import { liveThrough, textAt } from '../support/kill.ts'

/* The Markdown of a report as it is printed: one sheet that is kept. */

/** US Letter at 12 characters and 8 lines an inch (`lpr -o cpi=12 -o lpi=8`), less half an inch on each side. */
const PAGE = { lines: 80, columns: 90 }

describe('the report of a session in Markdown', async () => {
  const { machine, reports } = await liveThrough({
    make: () => machineOf('clean-update'),
    restart: 'manual',
    protect: 'plain',
  })
  const markdown = textAt(machine, reports.find((path) => path.endsWith('.md')) ?? '')

  it('fits one sheet, also where its lines are broken', () => {
    const cut = markdown
      .trimEnd()
      .split('\n')
      .flatMap((line) =>
        Array.from({ length: Math.max(1, Math.ceil(line.length / PAGE.columns)) }, () => line),
      )
    expect(cut.length).toBeLessThanOrEqual(PAGE.lines)
  })

  it('says what it came to, whether the sentence appeared, and what was run', () => {
    expect(markdown).toMatch(/^# Report of aem-reseal\n\n\*\*[A-Z][^*\n]+\*\*\n/)
    expect(markdown).toMatch(/- ✔ Your sentence appeared: yes, you said so at 2024-07-16 \d\d:\d\d:\d\d UTC/)
    for (const title of [
      'Registers',
      'What went into each register',
      'Bulletin',
      'Packages and their signers',
    ])
      expect(markdown).toContain(`## ${title}`)
    expect(markdown).toContain('`confirm-update confirmed`')
  })

  it('leaves raw facts to the JSON, and names where the rest stands', () => {
    for (const title of ['Boot files as they were confirmed', 'What was asked, and who answered'])
      expect(markdown).not.toContain(`## ${title}`)
    expect(markdown).toContain('The HTML has what vouched for each part')
    expect(markdown).toContain('all facts of its steps are in the JSON beside this')
  })
})
