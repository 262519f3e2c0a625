import { describe, expect, it } from 'vitest'
import { makeSimulatedHost } from '../../src/host/simulated/host.ts'
import type { SimMachine } from '../../src/host/simulated/model.ts'
import { restartMachine } from '../../src/host/simulated/power.ts'
import { approvedMachine, LEDGER, NEXT_XEN, update } from '../support/approved-machine.ts'
import { type, typeJson, typeResume, typeStart } from '../support/at-terminal.ts'

/** The end of `resume`, where what is remembered of the devices can or cannot be kept. */

async function forwardBooted(): Promise<SimMachine> {
  const machine = await approvedMachine()
  update(machine, NEXT_XEN)
  expect((await typeStart(makeSimulatedHost(machine), 'forward-seal')).exit).toBe(3)
  restartMachine(machine)
  return machine
}

const resume = (machine: SimMachine) => typeResume(makeSimulatedHost(machine), { 'secret-shown': 'yes' })

async function protectionOf(machine: SimMachine): Promise<string> {
  const host = makeSimulatedHost(machine)
  return (await typeJson<{ protection: { state: string } }>(['status'], host)).answer.protection.state
}

describe('the end of resume', () => {
  it('says that nothing is remembered where the device ledger is damaged, and how to mend it', async () => {
    const machine = await forwardBooted()
    machine.dom0.set(LEDGER, { bytes: Buffer.from('{'), mtimeMs: 0 })
    const { exit, said } = await resume(machine)
    expect(exit).toBe(0)
    expect(said).toContain('nothing of this boot is remembered: the device ledger cannot be read')
    expect(said).not.toContain('next: nothing')
    machine.dom0.delete(LEDGER)
    expect((await type(['verify'], makeSimulatedHost(machine))).exit).toBe(0)
    expect(await protectionOf(machine)).toBe('protected')
  })

  it('says nothing of it where it was kept', async () => {
    const machine = await forwardBooted()
    const { exit, said } = await resume(machine)
    expect([exit, said]).toEqual([0, expect.stringContaining('next: nothing')])
    expect(said).not.toContain('remembered')
    expect(await protectionOf(machine)).toBe('protected')
  })
})
