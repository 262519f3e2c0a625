import { describe, expect, it } from 'vitest'
import { makeSimulatedHost } from '../../src/host/simulated/host.ts'
import type { SimMachine } from '../../src/host/simulated/model.ts'
import { bootMachine, restartMachine, startSeal } from '../../src/host/simulated/power.ts'
import { approvedMachine, NEXT_XEN, update } from '../support/approved-machine.ts'
import { type, typeResume, typeStart } from '../support/at-terminal.ts'

/* What `explain` says comes next, and of AEM's seal, is so at that moment. */

const explain = (machine: SimMachine) => type(['explain'], makeSimulatedHost(machine))

it('a `start` that stopped before it prepared anything is not told to restart', async () => {
  const machine = await approvedMachine()
  machine.luksHeader = Buffer.from('another key slot')
  const started = await typeStart(makeSimulatedHost(machine), null)
  expect(started.exit, started.said).toBe(1)
  const { said } = await explain(machine)
  expect(said).toContain('`aem-reseal resume` goes on where it stopped, before the restart')
  expect(said).not.toContain('restart dom0, choose the AEM entry')
})

it('a `start` that is done is', async () => {
  const machine = await approvedMachine()
  update(machine, NEXT_XEN)
  expect((await typeStart(makeSimulatedHost(machine), 'plain')).exit).toBe(3)
  expect((await explain(machine)).said).toContain('restart dom0, choose the AEM entry')
})

it('once the boot was accepted nobody is said to ask again', async () => {
  const machine = await approvedMachine()
  update(machine, NEXT_XEN)
  await typeStart(makeSimulatedHost(machine), 'plain')
  restartMachine(machine)
  expect((await explain(machine)).said).toContain('`aem-reseal resume` asks whether you accept this')
  expect((await typeResume(makeSimulatedHost(machine))).exit).toBe(3)
  const { exit, said } = await explain(machine)
  expect([exit, said]).toEqual([0, expect.stringContaining('you accepted it in this boot')])
  expect(said).not.toContain('asks whether you accept')
})

describe('a boot that was updated without this program', () => {
  it('where AEM sealed', async () => {
    const machine = await approvedMachine()
    update(machine, NEXT_XEN)
    restartMachine(machine)
    const { exit, said } = await explain(machine)
    expect([exit, said]).toEqual([0, expect.stringMatching(/AEM seal(s|ed) to it by itself, unseen/)])
  })

  it('where its seal was held', async () => {
    const machine = await approvedMachine()
    update(machine, NEXT_XEN)
    bootMachine(machine)
    startSeal(machine, false)
    const { exit, said } = await explain(machine)
    expect(exit).toBe(0)
    expect(said).not.toContain('AEM sealed to it by itself')
  })
})

it('a sentence that did not appear is not forgotten', async () => {
  const machine = await approvedMachine()
  update(machine, NEXT_XEN)
  await typeStart(makeSimulatedHost(machine), 'forward-seal')
  restartMachine(machine)
  const resumed = await typeResume(makeSimulatedHost(machine), { 'secret-shown': 'no' })
  expect(resumed.exit, resumed.said).toBe(4)
  const { said } = await explain(machine)
  expect(said).toContain('you said that your sentence did not appear in this boot')
  expect(said).toContain('power off')
  expect(said).not.toContain('asks whether you accept')
})
