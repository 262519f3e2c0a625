import { describe, expect, it } from 'vitest'
import { makeSimulatedHost } from '../../src/host/simulated/host.ts'
import { PLAIN_ENTRY, type SimMachine } from '../../src/host/simulated/model.ts'
import { restartMachine } from '../../src/host/simulated/power.ts'
import type { DeviceVerification } from '../../src/observe/verify/verify.ts'
import { approvedMachine, isSecretShown, NEXT_XEN, update } from '../support/approved-machine.ts'
import { type, typeJson, typeStart } from '../support/at-terminal.ts'

/** What `verify` claims of the next boot, and what it orders where a check failed. */

const verify = (machine: SimMachine) => type(['verify'], makeSimulatedHost(machine))

async function checkOf(machine: SimMachine, id: string) {
  const { answer } = await typeJson<readonly DeviceVerification[]>(['verify'], makeSimulatedHost(machine))
  return answer[0]?.checks.find((one) => one.id === id)
}

/** The next update is installed and sealed forward. */
async function sealedForward(): Promise<SimMachine> {
  const machine = await approvedMachine()
  update(machine, NEXT_XEN)
  expect((await typeStart(makeSimulatedHost(machine), 'forward-seal')).exit).toBe(3)
  return machine
}

describe('a boot of another entry than that of AEM', () => {
  it('measured no LUKS headers: it denies no secret that the next AEM boot shows', async () => {
    const machine = await sealedForward()
    machine.menuChoice = PLAIN_ENTRY
    restartMachine(machine)
    expect(await checkOf(machine, 'pcr13')).toMatchObject({
      ok: null,
      detail: expect.stringContaining('this boot measured no headers'),
    })
    const { exit, said } = await verify(machine)
    expect(exit).toBe(1)
    expect(said).not.toContain('no secret would appear')
    machine.menuChoice = null
    restartMachine(machine)
    expect(isSecretShown(machine)).toBe(true)
  })

  it('an AEM boot with a header that changed since', async () => {
    const machine = await approvedMachine()
    expect(await checkOf(machine, 'pcr13')).toMatchObject({ ok: true })
    machine.luksHeader = Buffer.from('another key slot')
    expect(await checkOf(machine, 'pcr13')).toMatchObject({ ok: false })
    expect((await verify(machine)).said).toContain('no secret would appear')
  })
})
