import { expect, it } from 'vitest'
import { ABSENT } from '../../src/host/host.ts'
import { makeSimulatedHost } from '../../src/host/simulated/host.ts'
import { observeDom0 } from '../../src/observe/dom0/dom0.ts'
import { observeBootCheck } from '../../src/observe/launch/boot-check.ts'
import type { TpmFacts } from '../../src/observe/launch/pcrs.ts'
import { approvedMachine, loadLedger } from '../support/approved-machine.ts'

/* What is said of a boot without a session, where there is one to compare it with. */

async function check(change: (tpm: TpmFacts) => TpmFacts = (tpm) => tpm) {
  const machine = await approvedMachine()
  const dom0 = observeDom0(makeSimulatedHost(machine))
  const look = { state: 'read', ledger: await loadLedger(machine) } as const
  const { devices } = await dom0.devices()
  const looked = { machine: await dom0.machine(), tpm: change(await dom0.tpm()), devices }
  return observeBootCheck(dom0, look, ABSENT, looked)
}

it('a boot that is as it was approved is the same', async () => {
  expect(await check()).toMatchObject({ label: 'aem', state: 'same', what: [] })
})

it.each<[string, (tpm: TpmFacts) => TpmFacts, string]>([
  ['that cannot be read', (tpm) => ({ ...tpm, pcrs: {} }), 'registers-unreadable'],
  ['of another bank', (tpm) => ({ ...tpm, bank: 'sha1' }), 'other-bank'],
])('a boot with registers %s is not known, and never the same', async (_, change, why) => {
  expect(await check(change)).toMatchObject({
    state: 'not-known',
    what: [`the registers could not be compared (${why})`],
  })
})
