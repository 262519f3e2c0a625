import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { type Host, unknown } from '../../src/host/host.ts'
import { makeSimulatedHost } from '../../src/host/simulated/host.ts'
import { machineOf } from '../support/built-in.ts'
import { runMain } from '../support/io.ts'
import { liveThrough, textAt } from '../support/kill.ts'
import { aemDom0 } from '../support/recorded-machine.ts'
import { temporaryDirectory } from '../support/temporary.ts'

/* `aem-reseal report`, on reports that sessions of the built-in machine wrote. */

const STATE = '/var/lib/aem-reseal'
const joined = (text: string): string => text.replaceAll(/\s+/g, ' ')
const verdictOf = 'Every change is consistent with the confirmed update'

async function lived() {
  const story = { make: () => machineOf('clean-update'), restart: 'manual', protect: 'plain' } as const
  const { machine, reports } = await liveThrough(story)
  const [json = ''] = reports.filter((path) => path.endsWith('.json'))
  const id = json.replace(/^.*\/|\.json$/g, '')
  return { machine, id, json: textAt(machine, json), page: textAt(machine, json.replace(/json$/, 'md')) }
}

type Lived = Awaited<ReturnType<typeof lived>>

/** Puts a further file beside the reports. */
function put({ machine }: Lived, name: string, text: string): void {
  machine.dom0.set(`${STATE}/reports/${name}`, { bytes: Buffer.from(text), mtimeMs: machine.nowMs })
}

const report = (machine: Lived['machine'], ...words: readonly string[]) =>
  runMain(['report', ...words], { host: makeSimulatedHost(machine) })

/** The report of a session before, which an older version wrote: it has no verdict in it. */
function older({ json }: Lived): string {
  const { verdict: _verdict, ...rest } = JSON.parse(json) as Record<string, unknown>
  return JSON.stringify({ ...rest, closedAt: '2024-01-02T03:04:05.000Z' })
}
const OLDER = '2024-01-02T03-04-05-0123abcd'

describe('report', () => {
  let story: Lived
  beforeAll(async () => {
    story = await lived()
  })

  it('lists what is kept, the newest first, each with its verdict', async () => {
    const own = await lived()
    put(own, `${OLDER}.json`, older(own))
    const { exit, stdout } = await report(own.machine)
    expect(exit).toBe(0)
    expect(stdout.indexOf(own.id)).toBeLessThan(stdout.indexOf(OLDER))
    expect(joined(stdout)).toContain(`${own.id} ${verdictOf}`)
    expect(joined(stdout)).toContain(`next: \`aem-reseal report ${own.id}\``)
    const { json } = await report(own.machine, '--json')
    expect(json).toEqual({
      reports: [
        { id: own.id, at: expect.stringMatching(/^2024-07-16T/), verdict: verdictOf },
        { id: OLDER, at: '2024-01-02T03:04:05.000Z', verdict: null },
      ],
      unread: [],
    })
  })

  it.each([(id: string) => id, (id: string) => id.slice(0, 10), () => '2'])(
    'shows the page of one, by its ID or a beginning of it',
    async (given) => {
      const { exit, stdout } = await report(story.machine, given(story.id))
      expect(exit).toBe(0)
      expect(joined(stdout)).toContain(joined(story.page).trim())
      expect(joined(stdout)).toContain(`${STATE}/reports/${story.id}.html`)
    },
  )

  it('gives its own JSON', async () => {
    const { exit, json } = await report(story.machine, story.id, '--json')
    expect([exit, json]).toEqual([0, JSON.parse(story.json)])
  })

  it('names what it cannot read, keeps it, and shows the others', async () => {
    const own = await lived()
    const before = story.json
    put(own, `${OLDER}.json`, before.slice(0, 500))
    put(own, '2024-01-02T03-04-05-0000ffff.json', JSON.stringify({ format: 'something else', version: 1 }))
    put(own, '2025-01-02T03-04-05-0000ffff.json', before.replace('"version": 1', '"version": 99'))
    put(own, '2023-01-02T03-04-05-0000ffff.md', '# a page alone')
    put(own, 'notes.txt', 'mine')
    const { exit, stdout } = await report(own.machine)
    expect(exit).toBe(0)
    const said = joined(stdout)
    expect(said).toContain(`${own.id} ${verdictOf}`)
    for (const words of [
      `${OLDER}.json cannot be read as a report: damaged: `,
      '2024-01-02T03-04-05-0000ffff.json cannot be read as a report: foreign: ',
      '2025-01-02T03-04-05-0000ffff.json cannot be read as a report: newer: version 99',
      '2023-01-02T03-04-05-0000ffff.json cannot be read as a report: it is missing',
      'notes.txt cannot be read as a report: it is no report of this program',
    ])
      expect(said).toContain(words)
    expect(textAt(own.machine, `${STATE}/reports/notes.txt`)).toBe('mine')
    const damaged = await report(own.machine, OLDER)
    expect([damaged.exit, joined(damaged.stderr)]).toEqual([
      1,
      expect.stringContaining('it is kept as it is'),
    ])
    const { json } = await report(own.machine, '--json')
    expect(json).toMatchObject({ reports: [{ id: own.id }], unread: { length: 5 } })
  })

  it.each([
    ['an unknown ID', '2030', 'no report begins with 2030'],
    ['a file name', 'notes', 'no report begins with notes'],
    ['a path', '../session', 'no report begins with ../session'],
  ])('%s ends with 1', async (_what, given, what) => {
    const { exit, json } = await report(story.machine, given, '--json')
    expect(exit).toBe(1)
    expect(json).toMatchObject({
      error: { code: 'unknown-report', what, next: expect.stringContaining('`aem-reseal report`') },
    })
  })

  it('a beginning of several names them', async () => {
    const own = await lived()
    put(own, `${OLDER}.json`, older(own))
    const { exit, stderr } = await report(own.machine, '2024')
    expect(exit).toBe(1)
    expect(joined(stderr)).toContain(`2024 begins several: ${own.id}, ${OLDER}`)
  })

  it('none at all ends with 1, and says when one is written', async () => {
    const { exit, json } = await report(machineOf('clean-update'), '--json')
    expect(exit).toBe(1)
    expect(json).toMatchObject({
      error: { code: 'unknown-report', next: expect.stringContaining('`aem-reseal resume`') },
    })
  })

  it.each([[], ['2024']])(
    'a directory that cannot be read is none that is empty (%j)',
    async (...words: string[]) => {
      const host = makeSimulatedHost(structuredClone(story.machine))
      const listDirectory = async () => unknown('input/output error')
      const { exit, json } = await runMain(['report', ...words, '--json'], {
        host: { ...host, listDirectory },
      })
      expect(exit).toBe(1)
      expect(json).toMatchObject({
        error: {
          code: 'reports-unreadable',
          what: `${STATE}/reports cannot be read: input/output error`,
          next: expect.stringContaining(`\`sudo ls -la ${STATE}/reports\``),
        },
      })
    },
  )

  it('a recording has none, and says where they are', async () => {
    const host: Host = { ...makeSimulatedHost(machineOf('clean-update')), kind: 'recorded' }
    const listDirectory = async () => unknown('not recorded')
    const { json } = await runMain(['report', '--json'], { host: { ...host, listDirectory } })
    expect(json).toMatchObject({ error: { next: expect.stringContaining('in the dom0 that was recorded') } })
  })

  it('shows a page without letting it move the cursor', async () => {
    const own = await lived()
    put(own, `${own.id}.md`, '# Report\u001b[2J\u001b[1;1Hall is well\u202e\n')
    const { stdout } = await report(own.machine, own.id)
    expect(stdout).not.toMatch(/[\u001b\u202e]/)
  })
})

describe('reports and recorded machines', () => {
  it('record leaves reports out', async () => {
    const { machine, id } = await lived()
    const out = join(temporaryDirectory(), 'machine')
    const { exit } = await runMain(['record', '--out', out], { host: makeSimulatedHost(machine) })
    expect(exit).toBe(0)
    const all =
      readFileSync(join(out, 'machine.json'), 'utf8') + readFileSync(join(out, 'commands.json'), 'utf8')
    expect(all).not.toContain(id)
    expect(all).not.toContain('/reports')
    const shown = await runMain(['report', '--machine', out], { uid: 1000 })
    expect(shown.exit).toBe(1)
  })

  it('with --state-dir those of this computer are shown, without root', async () => {
    const { id, json, page } = await lived()
    const [state, out] = [temporaryDirectory(), aemDom0().write()]
    mkdirSync(join(state, 'reports'))
    writeFileSync(join(state, 'reports', `${id}.json`), json)
    writeFileSync(join(state, 'reports', `${id}.md`), page)
    const shown = await runMain(['report', id, '--machine', out, '--state-dir', state], { uid: 1000 })
    expect(shown.exit, shown.stderr).toBe(0)
    expect(joined(shown.stdout)).toContain(verdictOf)
  })
})
