import { basename } from 'node:path'
import { expect, it } from 'vitest'
import { machineOf } from '../support/built-in.ts'
import { liveThrough, textAt } from '../support/kill.ts'

const STORY = { make: () => machineOf('clean-update'), restart: 'manual', protect: 'plain' } as const

it('closes a session with a report that links its picture and names it in JSON', async () => {
  const { machine, report, reports } = await liveThrough(STORY, null)
  expect(reports.map((path) => path.replace(/.*\./, ''))).toEqual(['json', 'md', 'svg'])
  const [, markdown = '', picture = ''] = reports
  expect(report?.picture).toBe(basename(picture))
  expect(textAt(machine, markdown)).toContain(`](${basename(picture)})`)
  expect(textAt(machine, picture)).toMatch(/Xen<[\s\S]*CHANGED<[\s\S]*value of PCR 18<[\s\S]*as predicted/)
})

it('says so where the launch log cannot be read at the end', async () => {
  const story = {
    ...STORY,
    // The second boot confirms the secret and closes the session.
    afterBoot: (machine: { launchLog: string | null }, boot: number) => {
      if (boot === 2) machine.launchLog = 'Intel(r) TXT Configuration Registers:\n'
    },
  }
  const { machine, report, reports } = await liveThrough(story, null)
  expect(reports.map((path) => path.replace(/.*\./, ''))).toEqual(['json', 'md'])
  expect(report?.picture).toBeNull()
  expect(textAt(machine, reports[1] ?? '')).toContain('the launch log of this boot could not be read')
})
