import { basename } from 'node:path'
import { expect, it } from 'vitest'
import { machineOf, rehearse } from '../support/built-in.ts'
import { liveThrough, textAt } from '../support/kill.ts'

type Row = { readonly index: number; readonly now: string; readonly predicted: string | null }

const STORY = { make: () => machineOf('clean-update'), restart: 'manual', protect: 'plain' } as const

it('closes a session with a report that links its picture and names it in JSON', async () => {
  const { machine, report, reports } = await liveThrough(STORY)
  expect(reports.map((path) => path.replace(/.*\./, ''))).toEqual(['html', 'json', 'md', 'svg'])
  const [asPage = '', , markdown = '', picture = ''] = reports
  expect(report?.picture).toBe(basename(picture))
  expect(report?.page).toBe(basename(asPage))
  expect(textAt(machine, asPage)).toContain('<svg class="chain"')
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
  const { machine, report, reports } = await liveThrough(story)
  expect(reports.map((path) => path.replace(/.*\./, ''))).toEqual(['html', 'json', 'md'])
  expect(report?.picture).toBeNull()
  expect(textAt(machine, reports[2] ?? '')).toContain('the launch log of this boot could not be read')
})

it('predicts PCR 13 as it is, and the explanation of the first boot shows that', async () => {
  const { result } = await rehearse({ machine: machineOf('clean-update') })
  const rowOf = (id: string) => {
    const facts = result.steps.find((step) => step.id === id)?.facts as { pcrs: readonly Row[] } | undefined
    return facts?.pcrs.find(({ index }) => index === 13)
  }
  const predicted = rowOf('predict')
  expect(predicted?.predicted).toMatch(/^[0-9a-f]{64}$/)
  expect(predicted).toMatchObject({
    now: predicted?.predicted,
    reason: expect.stringContaining('LUKS headers'),
  })
  expect(rowOf('explain')).toMatchObject({
    predicted: predicted?.predicted,
    now: predicted?.now,
    change: 'none',
  })
})

it('foresees nothing of a LUKS header that changed since this boot, and seals nothing forward', async () => {
  const machine = machineOf('clean-update')
  machine.luksHeader = Buffer.from('a key slot more')
  const options = { protect: 'forward-seal' } as const
  const answers = { '*': 'yes', 'accept-luks-header': 'yes' }
  const { result } = await rehearse({ machine, options, answers })
  const steps = result.steps.map(({ id, outcome }) => `${id}: ${outcome}`)
  expect(steps).toContain('predict: partial')
  expect(steps.at(-1)).toBe('choose-protection: not-available')
  expect(JSON.stringify(result.steps.at(-1)?.facts)).toContain('PCR 13: a LUKS header is not the one')
})
