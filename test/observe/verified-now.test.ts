import { expect, it } from 'vitest'
import { makeSimulatedHost } from '../../src/host/simulated/host.ts'
import { restartMachine } from '../../src/host/simulated/power.ts'
import { approvedMachine } from '../support/approved-machine.ts'
import { statusAnswerOf } from '../support/status.ts'

it('a seal unit that failed is no harm in the boot in which the copies were verified, and is in the next one', async () => {
  const machine = await approvedMachine()
  const codes = async () => {
    machine.seal = { ...machine.seal, startedAtUs: 1, exit: 1 }
    const { protection } = await statusAnswerOf(makeSimulatedHost(machine))
    return JSON.stringify(protection)
  }
  expect(await codes()).not.toContain('failed-seal')
  restartMachine(machine)
  expect(await codes()).toContain('failed-seal')
})
