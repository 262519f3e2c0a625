import { describe, expect, it } from 'vitest'
import { makeMemoryStore } from '../../src/act/memory-store.ts'
import { CATALOGUE } from '../../src/core/bulletin/catalogue-data.ts'
import type { GivenBulletin } from '../../src/core/bulletin/given-bulletin.ts'
import { confirmUpdate } from '../../src/flow/steps/confirm-update.ts'
import { type Host, unknown } from '../../src/host/host.ts'
import { installKernel } from '../../src/host/simulated/build.ts'
import { makeSimulatedHost } from '../../src/host/simulated/host.ts'
import type { SimMachine } from '../../src/host/simulated/model.ts'
import { restartMachine } from '../../src/host/simulated/power.ts'
import { observeDom0 } from '../../src/observe/dom0/dom0.ts'
import { bulletinOf, parseText, textOf } from '../core/bulletin/corpus.ts'
import { aSession, machineOf, RUN_OPTIONS } from '../support/built-in.ts'
import { makeScriptedUi } from '../support/scripted-ui.ts'

/* What a bulletin that was given says to the step, and what the step expects of the next boot. Xen 4.17.4-4 is installed. */

const file = (approval: GivenBulletin['approval'], text: string): GivenBulletin => ({
  bulletin: parseText(text),
  approval,
  file: 'qsb-103-2024.txt',
})
const demanding = (version: string): string => textOf(103).replaceAll('4.17.4-4', version)

type Story = {
  readonly bulletin?: GivenBulletin | null
  readonly machine?: SimMachine
  readonly canAsk?: boolean
  readonly answer?: string
  readonly told?: (own: Host) => Partial<Host>
}

async function confirm({ bulletin = null, machine, canAsk = true, answer, told }: Story) {
  const own = makeSimulatedHost(machine ?? machineOf('clean-update'))
  const host = { ...own, ...told?.(own) }
  const ui = makeScriptedUi({ '*': 'yes', ...(answer ? { bulletin: answer } : {}) })
  const store = makeMemoryStore(ui)
  const options = { ...RUN_OPTIONS, bulletin, canAsk }
  const context = { host, dom0: observeDom0(host), ui, store, options, simulateRestart: null }
  const report = await confirmUpdate({ ...context, session: aSession() })
  const notes = (report.message.details ?? []).map(({ text }) => text.replace('▲ ', '')).join(' ')
  const expectation = report.session?.expectation
  return { report, notes, expectation, asked: ui.asked, said: ui.said.join(' ').replaceAll(/\s+/g, ' ') }
}

describe('a text of a bulletin of the catalogue', () => {
  it.each(['approved', 'single'] as const)('that is %s may ask for more', async (approval) => {
    const { report } = await confirm({ bulletin: file(approval, demanding('4.17.4-5')) })
    expect(report).toMatchObject({
      outcome: 'unmet',
      facts: { bulletin: { id: 103, met: false }, answers: [] },
    })
  })

  it('that does not verify is not looked at: the bulletin is what the catalogue says of it', async () => {
    const { report } = await confirm({ bulletin: file('refused', demanding('4.17.4-5')) })
    expect(report).toMatchObject({ outcome: 'not-verified', facts: { bulletin: { id: 103, met: true } } })
  })

  it('that asks for less takes nothing back, and both versions are said', async () => {
    const lowered = (approval: GivenBulletin['approval']) =>
      confirm({ bulletin: file(approval, demanding('4.17.4-3')) })
    for (const approval of ['approved', 'single'] as const) {
      const { notes } = await lowered(approval)
      expect(notes).toContain('the higher demand stays in force')
      expect(notes).toContain('the file 4.17.4-3')
      expect(notes).toContain('the catalogue 4.17.4-4')
    }
    expect((await lowered('refused')).notes).not.toContain('higher demand')
    const same = await confirm({ bulletin: file('approved', textOf(103)) })
    expect(same.notes).not.toContain('higher demand')
  })

  it('that is of a number which the catalogue does not have lowers nothing', async () => {
    const text = demanding('4.17.4-3').replaceAll(/\b103\b/g, '999')
    const { notes, report } = await confirm({ bulletin: file('approved', text) })
    expect(notes).not.toContain('higher demand')
    expect(report.facts).toMatchObject({ answers: expect.arrayContaining([103]) })
  })

  it('says which registers may change where both signatures are good, beside those of the catalogue', async () => {
    const text = textOf(103).replaceAll('PCR18+19', 'PCR17')
    const pcrsBy = async (approval: GivenBulletin['approval']) =>
      (await confirm({ bulletin: file(approval, text) })).expectation?.bulletinPcrs
    expect(await pcrsBy('approved')).toEqual([17, 18, 19])
    expect(await pcrsBy('single')).toEqual([18, 19])
  })
})

describe('the question for a bulletin', () => {
  it('is not asked where nobody can answer', async () => {
    const { asked, report } = await confirm({ canAsk: false })
    expect([asked, report.facts]).toEqual([[], expect.objectContaining({ bulletin: null, answers: [103] })])
  })

  it('comes with those that are left for a later update', async () => {
    const { asked, said } = await confirm({ told: () => ({ catalogue: CATALOGUE }) })
    expect(asked).toEqual(['bulletin'])
    expect(said).toContain('Left for a later update: QSB-')
  })

  it('on the built-in machine is about its own day: what came out later is not named', async () => {
    const { asked, said, report } = await confirm({})
    expect([asked, said]).toEqual([['bulletin'], ''])
    expect(report.facts).toMatchObject({ answers: [103] })
    const { nowMs } = machineOf('clean-update')
    expect(new Date(nowMs).toISOString().slice(0, 10)).toBe(bulletinOf(103).date)
  })

  it('is not asked where no bulletin says anything of this dom0', async () => {
    const { asked, said, report } = await confirm({
      told: (own) => ({
        readFile: async (path) =>
          /qubes-release|os-release/.test(path) ? unknown('I/O error') : own.readFile(path),
      }),
    })
    expect([asked, said, report.outcome]).toEqual([[], '', 'confirmed'])
  })
})

describe('what the next boot measures for the first time', () => {
  it('is the package that came after this boot', async () => {
    const { expectation } = await confirm({})
    expect(expectation).toMatchObject({ changedPackages: ['xen-hypervisor'], mayChange: [18, 19] })
  })

  it('is Xen too where the one that runs is not the installed one, whatever its date says', async () => {
    const machine = machineOf('clean-update')
    machine.packages = machine.packages.map((item) =>
      item.name === 'xen-hypervisor' ? { ...item, installedAtMs: 0 } : item,
    )
    const { expectation } = await confirm({ machine, answer: 'none' })
    expect(expectation).toMatchObject({ changedPackages: ['xen-hypervisor'], mayChange: [18, 19] })
  })

  it('is a kernel alone where Xen is the one that runs', async () => {
    const machine = machineOf('clean-update')
    restartMachine(machine)
    machine.nowMs += 3600_000
    installKernel(machine, '6.6.42-1.qubes.fc37.x86_64')
    machine.nowMs += 3600_000
    const { expectation } = await confirm({ machine, answer: 'none' })
    expect(expectation?.changedPackages).toEqual(['kernel'])
  })
})

it('a bulletin of the catalogue that is not met is not cited', async () => {
  const given = { bulletin: bulletinOf(110), approval: 'built-in', file: null } as const
  const { report, expectation } = await confirm({ bulletin: given })
  expect(report).toMatchObject({ outcome: 'unmet', facts: { bulletin: { id: 110 }, answers: [103] } })
  expect(expectation?.bulletins).toEqual([103])
})
