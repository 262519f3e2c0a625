import { expect, it } from 'vitest'
import { STICK } from '../../src/host/simulated/build.ts'
import { makeSimulatedHost } from '../../src/host/simulated/host.ts'
import { observeDom0 } from '../../src/observe/dom0/dom0.ts'
import { observeApproved } from '../../src/observe/launch/approved-state.ts'
import { approvedLook } from '../support/approved-look.ts'
import { machineOf } from '../support/built-in.ts'
import { boot } from '../support/two-devices.ts'

/* Whether this boot, and the predicted one of another device, hold the approved state: nothing is sealed forward otherwise. */

const OTHER = 'ab'.repeat(32)

async function approved() {
  const machine = machineOf('two-devices')
  const dom0 = observeDom0(makeSimulatedHost(machine))
  const look = await approvedLook(dom0)
  return { machine, dom0, look, registers: look.ledger.approved!.registers }
}

it('the approved boot itself does, before and after the other one is predicted', async () => {
  const { dom0, look, registers } = await approved()
  expect(await observeApproved(dom0, look, null)).toMatchObject({ id: 'approved-state', ok: true })
  expect(await observeApproved(dom0, look, registers)).toMatchObject({ ok: true })
  // The kernel's line names the device: PCR 19 is its own.
  expect(await observeApproved(dom0, look, { ...registers, 19: OTHER })).toMatchObject({ ok: true })
})

it.each([17, 18])('another device that would boot with another PCR %i does not', async (index) => {
  const { dom0, look, registers } = await approved()
  expect(await observeApproved(dom0, look, { ...registers, [index]: OTHER })).toMatchObject({
    ok: false,
    detail: expect.stringContaining(`another PCR ${index} `),
  })
})

it.each([13, 17, 18, 19])('a boot with another PCR %i does not', async (index) => {
  const { dom0, look } = await approved()
  const tpm = await dom0.tpm()
  const pcrs = { ...tpm.pcrs, sha256: { ...tpm.pcrs.sha256, [index]: OTHER } }
  expect(await observeApproved({ ...dom0, tpm: async () => ({ ...tpm, pcrs }) }, look, null)).toMatchObject({
    ok: false,
    detail: expect.stringContaining(`PCR ${index} of this boot is not as it was approved`),
  })
})

it('a boot from another device, or from one that is not known, does not', async () => {
  const { machine, dom0, look } = await approved()
  expect(await observeApproved({ ...dom0, booted: async () => null }, look, null)).toMatchObject({
    ok: false,
    detail: expect.stringMatching(/^no boot from the device this boot came from was approved/),
  })
  boot(machine, STICK.uuid)
  expect(await observeApproved(observeDom0(makeSimulatedHost(machine)), look, null)).toMatchObject({
    ok: false,
    detail: expect.stringMatching(/^no boot from aem\.stick was approved/),
  })
})

it('is not known where nothing was approved, or what AEM seals to is not known', async () => {
  const { dom0, look } = await approved()
  for (const other of [{ state: 'absent' }, { state: 'damaged', detail: 'x' }] as const)
    expect(await observeApproved(dom0, other, null)).toMatchObject({ ok: null })
  expect(await observeApproved({ ...dom0, selectedPcrs: async () => null }, look, null)).toMatchObject({
    ok: null,
  })
})
