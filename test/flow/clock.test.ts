import { describe, expect, it } from 'vitest'
import { makeSimulatedHost } from '../../src/host/simulated/host.ts'
import { type SimMachine, TPM_ID } from '../../src/host/simulated/model.ts'
import { bootMachine, restartMachine } from '../../src/host/simulated/power.ts'
import { observeDom0 } from '../../src/observe/dom0/dom0.ts'
import { observeBaseline } from '../../src/observe/launch/baseline.ts'
import { observeSealOutcome } from '../../src/observe/seal/seal-outcome.ts'
import { aSession, machineOf } from '../support/built-in.ts'

const YEAR_MS = 365 * 24 * 3600 * 1000

/** The machine after a restart, the session from before it, and what is made of both. */
async function afterBoot(boot: (machine: SimMachine) => void) {
  const machine = machineOf('clean-update')
  const host = makeSimulatedHost(machine)
  const session = aSession({ baseline: await observeBaseline(observeDom0(host), [13, 17, 18, 19]) })
  expect(session.baseline?.sealedFiles.length).toBeGreaterThan(0)
  boot(machine)
  return observeSealOutcome(observeDom0(host), session)
}

/** Every sealed file gets a time of its own, by a clock that is wrong. */
function setTimes(machine: SimMachine, mtimeMs: number): void {
  for (const [path, file] of machine.dom0)
    if (path.startsWith(`/var/lib/tpms/${TPM_ID}/`)) machine.dom0.set(path, { ...file, mtimeMs })
}

describe('whether AEM sealed in this boot, by whatever clock', () => {
  it('a stale seal with a time after the boot is not of this boot', async () => {
    const { sealedInThisBoot, outcome } = await afterBoot((machine) => {
      bootMachine(machine)
      setTimes(machine, machine.bootTimeMs + YEAR_MS)
    })
    expect(sealedInThisBoot).toBe(false)
    expect(outcome).toBe('not-sealed')
  })

  it('a seal of this boot with a time before it is one', async () => {
    const { sealedInThisBoot, outcome } = await afterBoot((machine) => {
      restartMachine(machine)
      setTimes(machine, machine.bootTimeMs - YEAR_MS)
    })
    expect(sealedInThisBoot).toBe(true)
    expect(outcome).toBe('sealed')
  })

  it('a seal of a boot in between is not known to be of this one', async () => {
    const { sealedInThisBoot } = await afterBoot((machine) => {
      restartMachine(machine)
      bootMachine(machine)
      setTimes(machine, machine.bootTimeMs + YEAR_MS)
    })
    expect(sealedInThisBoot).toBeNull()
  })

  it('without a session nothing is said', async () => {
    const machine = machineOf('clean-update')
    restartMachine(machine)
    const { sealedInThisBoot } = await observeSealOutcome(observeDom0(makeSimulatedHost(machine)), null)
    expect(sealedInThisBoot).toBeNull()
  })
})
