import { expect, it } from 'vitest'
import type { Session } from '../../src/core/session/checkpoint.ts'
import { XEN_IMAGE } from '../../src/host/simulated/build.ts'
import { makeSimulatedHost } from '../../src/host/simulated/host.ts'
import { SELECTED_PCRS } from '../../src/host/simulated/model.ts'
import { restartMachine } from '../../src/host/simulated/power.ts'
import { type Dom0, observeDom0 } from '../../src/observe/dom0/dom0.ts'
import { observeBaseline } from '../../src/observe/launch/baseline.ts'
import { observeChain } from '../../src/observe/launch/chain.ts'
import { observePrediction } from '../../src/observe/launch/prediction.ts'
import { makeFailure } from '../../src/tables/failures.ts'
import { aSession, machineOf } from '../support/built-in.ts'

/* What a boot extended, beside what the session noted of the one before, on the built-in machine. */

/** Xen was updated, and dom0 restarted. */
async function restarted() {
  const machine = machineOf('clean-update')
  const look = () => observeDom0(makeSimulatedHost(machine))
  const baseline = (await observeBaseline(look(), SELECTED_PCRS))!
  const { prediction } = await observePrediction(look(), SELECTED_PCRS)
  const before = { ...machine.pcrs.sha256 }
  restartMachine(machine)
  const chain = (session: Partial<Session>, told: Partial<Dom0> = {}) =>
    observeChain({ ...look(), ...told }, aSession({ baseline, prediction: prediction as never, ...session }))
  return { baseline, before, now: { ...machine.pcrs.sha256 }, chain }
}

it('each register is told with its values then and now, the predicted one, and each of its extends', async () => {
  const { before, now, chain } = await restarted()
  const rows = (await chain({}))!
  expect(rows.map(({ index, bank }) => [index, bank])).toEqual(
    SELECTED_PCRS.map((index) => [index, 'sha256']),
  )
  for (const row of rows)
    expect(row).toMatchObject({ before: before[row.index], value: now[row.index], predicted: now[row.index] })
  const [luks, , xen, modules] = rows
  expect([luks?.steps, luks?.isReplayed]).toEqual([[], null])
  expect([xen, modules].map((row) => row?.isReplayed)).toEqual([true, true])
  expect(xen?.before).not.toBe(xen?.value)
  expect(xen?.steps.filter(({ state }) => state !== 'same')).toEqual([
    { role: 'xen', path: `/${XEN_IMAGE}`, digest: expect.stringMatching(/^[0-9a-f]{64}$/), state: 'changed' },
  ])
  expect(modules?.steps.map(({ role, state }) => [role, state])).toEqual([
    ['kernel', 'same'],
    ['initramfs', 'same'],
  ])
})

it('what was not noted, predicted or read of it is not known', async () => {
  const { baseline, chain } = await restarted()
  const told = { ...baseline, components: null, pcrs: {}, selectedPcrs: [18] }
  const tpm = async () => ({ version: '2.0', bank: 'sha256', pcrs: {} }) as const
  const rows = (await chain({ baseline: told, prediction: null }, { tpm }))!
  expect(rows.map(({ index }) => index)).toEqual([17, 18, 19])
  for (const { before, value, predicted, isReplayed, steps } of rows) {
    expect([before, value, predicted, isReplayed]).toEqual([null, null, null, null])
    expect(steps.every(({ state }) => state === 'unknown')).toBe(true)
  }
})

it('nothing is told without what was noted before, or a log', async () => {
  const { chain } = await restarted()
  const unread = makeFailure('forward-seal-failed', { what: 'the log could not be read' })
  expect(await chain({ baseline: null })).toBeNull()
  expect(await chain({}, { log: async () => unread })).toBeNull()
})
