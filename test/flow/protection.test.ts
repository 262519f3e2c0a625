import { describe, expect, it } from 'vitest'
import { makeSimulatedHost } from '../../src/host/simulated/host.ts'
import type { SimMachine } from '../../src/host/simulated/model.ts'
import { PLAIN_ENTRY } from '../../src/host/simulated/model.ts'
import { restartMachine } from '../../src/host/simulated/power.ts'
import { goodMachine, update } from '../support/approved-machine.ts'
import { statusAnswerOf } from '../support/status.ts'

async function protectionOf(machine: SimMachine) {
  const { protection, next } = await statusAnswerOf(makeSimulatedHost(machine))
  return { state: protection.state, codes: protection.reasons.map(({ code }) => code), next }
}

describe('protection of the built-in machine', () => {
  it('is there in a boot that showed the secret', async () => {
    expect(await protectionOf(goodMachine())).toMatchObject({
      state: 'protected',
      codes: [],
      next: { command: null, why: expect.stringContaining('nothing to do') },
    })
  })

  it('ends at the next boot once Xen was updated', async () => {
    const machine = goodMachine()
    update(machine, '4.17.4-4')
    expect(await protectionOf(machine)).toMatchObject({
      state: 'at-risk',
      codes: ['restart-pending'],
      next: { command: 'aem-reseal start' },
    })
  })

  it('is not known in the blind boot after it, which AEM sealed to by itself', async () => {
    const machine = goodMachine()
    update(machine, '4.17.4-4')
    restartMachine(machine)
    expect(await protectionOf(machine)).toMatchObject({ state: 'unknown', codes: ['secret-refused'] })
  })

  it.each([
    [
      'seal fails',
      (machine: SimMachine) => {
        machine.sealWorks = false
      },
      'at-risk',
      'failed-seal',
      'aem-reseal verify',
    ],
    [
      'launch does not happen',
      (machine: SimMachine) => {
        machine.launchWorks = false
      },
      'not-protected',
      'not-launched',
      null,
    ],
    [
      'entry without AEM is chosen',
      (machine: SimMachine) => {
        machine.menuChoice = PLAIN_ENTRY
      },
      'not-protected',
      'not-aem-boot',
      null,
    ],
  ] as const)('is gone where the %s', async (_, change, state, code, command) => {
    const machine = goodMachine()
    change(machine)
    restartMachine(machine)
    const found = await protectionOf(machine)
    expect(found).toMatchObject({ state, next: { command } })
    expect(found.codes[0]).toBe(code)
    expect(found.next.why).not.toMatch(/nothing to (do|run)/)
  })

  it('is not known once the device is taken out', async () => {
    const machine = goodMachine()
    for (const device of machine.devices) device.isPresent = false
    const { state, codes } = await protectionOf(machine)
    expect(state).toBe('unknown')
    expect(codes).toContain('device-absent')
  })
})
