import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { renderHtml } from '../../../src/core/report/html.ts'
import { makeReportPage } from '../../../src/core/report/make-page.ts'
import { renderMarkdown } from '../../../src/core/report/markdown.ts'
import { planRestart } from '../../../src/flow/steps/plan-restart.ts'
import { makeRecorder } from '../../../src/host/recorder.ts'
import { command } from '../../../src/tables/commands.ts'
import { aSession, RUN_OPTIONS } from '../../support/built-in.ts'
import { makeFakeHost } from '../../support/fake-host.ts'
import { makeScriptedUi } from '../../support/scripted-ui.ts'
import { temporaryDirectory } from '../../support/temporary.ts'

const QUBES = ['my-bank', 'whistle']
const host = makeFakeHost({
  run: async ({ id }) => ({
    state: 'seen',
    value: { exit: 0, stdout: id === 'running-qubes' ? `dom0\n${QUBES.join('\n')}\n` : 'x', stderr: '' },
  }),
})

it('the step that names running qubes to the user keeps their number alone', async () => {
  const ui = makeScriptedUi({ '*': 'yes' })
  const session = aSession()
  const dom0 = { booted: async () => null }
  const context = { host, dom0, ui, session, options: RUN_OPTIONS } as unknown as Parameters<
    typeof planRestart
  >[0]
  const { facts } = await planRestart(context)
  expect(ui.said.join(' ')).toContain('my-bank')
  expect(facts).toMatchObject({ runningQubes: 2 })
  const closing = { ...session, findings: { 'plan-restart': facts } }
  const page = makeReportPage({ session: closing, closedAt: session.since, values: {}, chain: null })
  const report = renderMarkdown(page, null) + renderHtml(page, null)
  for (const name of QUBES) expect(report + JSON.stringify(facts)).not.toContain(name)
  expect(report).toContain('Left out: secrets and passwords; names of qubes.')
})

it('a recorded machine holds no answer that names qubes, and says so', async () => {
  const out = join(temporaryDirectory(), 'machine')
  const recorder = await makeRecorder(host, out)
  for (const id of ['running-qubes', 'pci-devices', 'pci-devices-sbdf', 'pci-assignments'] as const)
    await recorder.host.run(command(id, {}))
  await recorder.host.run(command('xl-info', {}))
  const summary = await recorder.write()
  await recorder.close()
  expect(summary.leftOut).toEqual(expect.arrayContaining(['/usr/bin/qvm-ls', '/usr/bin/qvm-pci']))
  const commands = JSON.parse(readFileSync(join(out, 'commands.json'), 'utf8')) as { argv: string[] }[]
  expect(commands.map(({ argv }) => argv[0])).toEqual([command('xl-info', {}).argv[0]])
})
