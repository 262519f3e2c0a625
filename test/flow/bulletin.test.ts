import { describe, expect, it } from 'vitest'
import { makeMemoryStore } from '../../src/act/memory-store.ts'
import { CATALOGUE } from '../../src/core/bulletin/catalogue-data.ts'
import type { GivenBulletin } from '../../src/core/bulletin/given-bulletin.ts'
import { confirmUpdate } from '../../src/flow/steps/confirm-update.ts'
import { makeSimulatedHost } from '../../src/host/simulated/host.ts'
import { restartMachine } from '../../src/host/simulated/power.ts'
import { SCENARIOS } from '../../src/host/simulated/scenarios.ts'
import { observeDom0 } from '../../src/observe/dom0/dom0.ts'
import type { Question } from '../../src/ui/ui.ts'
import { bulletinOf, parseText, textOf } from '../core/bulletin/corpus.ts'
import { put, update } from '../support/approved-machine.ts'
import { aSession, machineOf, outcomesOf, RUN_OPTIONS, rehearse } from '../support/built-in.ts'
import { liveThrough, textAt } from '../support/kill.ts'
import { makeScriptedUi } from '../support/scripted-ui.ts'
import { withLook } from '../support/with-look.ts'

/* The built-in machine is a Qubes 4.2 on which Xen 4.17.4-4 of QSB-103 waits for the restart. */

const given = (
  id: number,
  approval: GivenBulletin['approval'],
  edit?: (text: string) => string,
): GivenBulletin => ({
  bulletin: edit ? parseText(edit(textOf(id))) : bulletinOf(id),
  approval,
  file: approval === 'built-in' ? null : `qsb-${id}-2024.txt`,
})

const confirmed = (result: Awaited<ReturnType<typeof rehearse>>['result']) =>
  result.steps.find(({ id }) => id === 'confirm-update')

describe('start --bulletin through the whole flow', () => {
  it.each([
    ['by number', () => given(103, 'built-in')],
    ['by file', () => given(103, 'approved')],
    ['by a file with one signature of two', () => given(103, 'single')],
  ])('%s: no question, the bulletin is cited, and one calm sentence says that 19 stayed', async (_, make) => {
    const { result, ui } = await rehearse({
      machine: machineOf('clean-update'),
      options: { bulletin: make() },
    })
    expect(result.exit).toBe(0)
    expect(ui.asked).not.toContain('bulletin')
    expect(confirmed(result)).toMatchObject({ outcome: 'confirmed', facts: { answers: [103] } })
    const { given: kept } = confirmed(result)!.facts as { given: object }
    expect(Object.keys(kept).sort()).toEqual(['approval', 'file', 'id'])
    const said = ui.said.join('\n').replaceAll(/\s+/g, ' ')
    expect(said).toContain('QSB-103 is met; the new packages are installed')
    expect(said).toContain(
      'the bulletin says PCR 18 and 19 change; PCR 19 did not: nothing measured into it changed, which is fine',
    )
    expect(said.match(/PCR 19 did not/g)).toHaveLength(1)
  })

  it('by none: what changed since this boot confirms it, and what the restart puts into effect is cited', async () => {
    const { result } = await rehearse({
      machine: machineOf('clean-update'),
      answers: { bulletin: 'none', '*': 'yes' },
    })
    expect(result.exit).toBe(0)
    expect(confirmed(result)).toMatchObject({ facts: { bulletin: null, answers: [103] } })
  })

  it('says so by the catalogue too, where a file of the bulletin names 18 only', async () => {
    const { ui, result } = await rehearse({
      machine: machineOf('clean-update'),
      options: { bulletin: given(103, 'approved', (text) => text.replaceAll('PCR18+19', 'PCR18')) },
    })
    expect(result.exit).toBe(0)
    expect(ui.said.join('\n')).toContain('PCR 19 did not')
  })

  it('calls nothing fine in a boot that is not explained', async () => {
    const evil = SCENARIOS.find(({ name }) => name === 'evil-maid')!
    const { ui, result } = await rehearse({
      machine: evil.make(),
      ...(evil.whileOff ? { whileOff: evil.whileOff } : {}),
      options: { bulletin: given(103, 'built-in') },
    })
    expect(result.exit).toBe(4)
    expect(ui.said.join('\n')).not.toContain('which is fine')
  })

  it('is in the report', async () => {
    const story = { make: () => machineOf('clean-update'), restart: 'manual', protect: 'plain' } as const
    const { machine, report, reports } = await liveThrough(story)
    expect(textAt(machine, reports.find((name) => name.endsWith('.md')) ?? '')).toContain(
      '**QSB-103** of `2024-07-16`: all packages that are asked for are installed.',
    )
    expect(report).toMatchObject({ expectation: { bulletins: [103], bulletinPcrs: [18, 19] } })
  })

  it('stops at a bulletin that does not verify, whatever it says', async () => {
    const { result } = await rehearse({
      machine: machineOf('clean-update'),
      options: { bulletin: given(103, 'refused') },
    })
    expect([result.exit, outcomesOf(result).at(-1)]).toEqual([1, 'confirm-update: not-verified'])
  })

  it('stops at one that is not met', async () => {
    const { result, ui } = await rehearse({
      machine: machineOf('clean-update'),
      options: { bulletin: given(110, 'built-in') },
    })
    expect([result.exit, outcomesOf(result).at(-1)]).toEqual([1, 'confirm-update: unmet'])
    const said = ui.said.join('\n').replaceAll(/\s+/g, ' ')
    expect(said).toContain('QSB-110 is not met: xen-hypervisor 4.17.6-3 wanted, 4.17.4-4.fc37 here')
    expect(said).toContain('qubes-dom0-update --enablerepo=qubes-dom0-security-testing')
  })
})

describe('the question', () => {
  const offered = async (withYes: boolean, machine = machineOf('clean-update')) => {
    let question: Question<string> | null = null
    const ui = makeScriptedUi({ '*': 'yes' })
    const ask: typeof ui.ask = async (own) => {
      question = own as unknown as Question<string>
      return withYes ? own.withYes : own.choices.at(-1)!.value
    }
    const host = { ...makeSimulatedHost(machine), catalogue: CATALOGUE }
    const asking = { ...ui, ask }
    const report = await confirmUpdate({
      host,
      dom0: observeDom0(host),
      ui: asking,
      store: makeMemoryStore(asking),
      options: { ...RUN_OPTIONS, bulletin: null },
      session: aSession(),
      simulateRestart: null,
    })
    return { question: question as Question<string> | null, report }
  }

  it('offers the one that waits for the restart first, then the unmet ones of this release, then none', async () => {
    const { question, report } = await offered(true)
    const choices = question?.choices.map(({ value, hint }) => `${value}: ${hint}`) ?? []
    expect(choices[0]).toBe('103: 2024-07-16, installed, waits for the restart')
    const unmet = choices.slice(1, -1)
    expect(unmet.map((each) => Number(each.split(':')[0]))).toEqual([115, 114, 113, 112, 110])
    expect(unmet.every((each) => each.endsWith('its packages are not installed yet'))).toBe(true)
    expect(choices.at(-1)).toMatch(/^none: /)
    expect([question?.default, question?.withYes]).toEqual(['103', '103'])
    expect(report.outcome).toBe('confirmed')
  })

  it('answered with an unmet one confirms nothing, and answered with none it does', async () => {
    const outcomeOf = async (bulletin: string) => {
      const ui = makeScriptedUi({ bulletin })
      const host = { ...makeSimulatedHost(machineOf('clean-update')), catalogue: CATALOGUE }
      const store = makeMemoryStore(ui)
      const options = { ...RUN_OPTIONS, bulletin: null }
      const context = { host, ui, store, options, session: aSession(), simulateRestart: null }
      return (await confirmUpdate(withLook(context))).outcome
    }
    expect(await outcomeOf('110')).toBe('unmet')
    expect(await outcomeOf('none')).toBe('confirmed')
  })

  it('is not asked, and nothing confirmed, where one was named that says nothing for this dom0', async () => {
    const ui = makeScriptedUi({})
    const host = makeSimulatedHost(machineOf('clean-update'))
    // rpm does not say which release of Qubes this is.
    const silent: typeof host.readFile = async (path) =>
      path.endsWith('qubes-release') || path.endsWith('os-release')
        ? { state: 'unknown', why: 'I/O error' }
        : host.readFile(path)
    const options = { ...RUN_OPTIONS, bulletin: given(103, 'built-in') }
    const own = { ...host, readFile: silent }
    const store = makeMemoryStore(ui)
    const context = { host: own, ui, store, options, session: aSession(), simulateRestart: null }
    expect((await confirmUpdate(withLook(context))).outcome).toBe('unknown')
    expect(ui.asked).toEqual([])
  })

  it('offers none that is in effect', async () => {
    const machine = machineOf('clean-update')
    const before = await offered(true, machine)
    const valuesOf = (question: Question<string> | null) => question?.choices.map(({ value }) => value) ?? []
    expect(valuesOf(before.question)).toContain('110')
    // The Xen of QSB-110, and it runs.
    update(machine, '4.17.6-3')
    put(machine, 'grub2/grub.cfg', (old) =>
      Buffer.from(Buffer.from(old).toString().replaceAll('xen-4.17.4', 'xen-4.17.6')),
    )
    restartMachine(machine)
    const { question } = await offered(true, machine)
    const values = valuesOf(question)
    for (const met of ['110', '103']) expect(values).not.toContain(met)
    expect(values.length).toBeGreaterThan(2)
    expect(question?.withYes).toBe('none')
  })

  it('is not asked of a bulletin that was named, which is cited though it is in effect', async () => {
    const machine = machineOf('clean-update')
    restartMachine(machine)
    const ui = makeScriptedUi({})
    const options = { ...RUN_OPTIONS, bulletin: given(103, 'built-in') }
    const host = makeSimulatedHost(machine)
    const store = makeMemoryStore(ui)
    const report = await confirmUpdate({
      host,
      dom0: observeDom0(host),
      ui,
      store,
      options,
      session: aSession(),
      simulateRestart: null,
    })
    expect(report).toMatchObject({ outcome: 'nothing-pending', facts: { answers: [103] } })
  })
})
