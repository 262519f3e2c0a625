import { expect, it } from 'vitest'
import { type Host, unknown } from '../../src/host/host.ts'
import { makeSimulatedHost } from '../../src/host/simulated/host.ts'
import { restartMachine } from '../../src/host/simulated/power.ts'
import { approvedMachine, LEDGER } from '../support/approved-machine.ts'
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

it('copies whose token could not be read then, and cannot now, are not the verified ones', async () => {
  const machine = await approvedMachine()
  machine.seal = { ...machine.seal, startedAtUs: 1, exit: 1 }
  const file = machine.dom0.get(LEDGER)!
  const ledger = JSON.parse(Buffer.from(file.bytes).toString()) as {
    devices: { verified: { tokenSha256: string | null } | null }[]
  }
  for (const { verified } of ledger.devices) if (verified !== null) verified.tokenSha256 = null
  machine.dom0.set(LEDGER, { ...file, bytes: Buffer.from(JSON.stringify(ledger)) })
  const own = makeSimulatedHost(machine)
  const codesOf = async (told: Partial<Host>) =>
    JSON.stringify((await statusAnswerOf({ ...own, ...told })).protection)
  const digestFile: Host['digestFile'] = async (path) =>
    path.startsWith('/var/lib/tpms/') && path.endsWith('/secret.fre.sealed2')
      ? unknown('input/output error')
      : own.digestFile(path)
  for (const told of [{}, { digestFile }]) expect(await codesOf(told)).toContain('failed-seal')
})

it('copies that were verified in this boot and are others now are not the verified ones', async () => {
  const machine = await approvedMachine()
  machine.seal = { ...machine.seal, startedAtUs: 1, exit: 1 }
  const codes = async () => JSON.stringify((await statusAnswerOf(makeSimulatedHost(machine))).protection)
  expect(await codes()).not.toContain('failed-seal')
  const file = machine.dom0.get(LEDGER)!
  const text = Buffer.from(file.bytes).toString()
  const other = text.replaceAll(/"tokenSha256": ?"[0-9a-f]{64}"/g, `"tokenSha256":"${'e'.repeat(64)}"`)
  expect(other).not.toBe(text)
  machine.dom0.set(LEDGER, { ...file, bytes: Buffer.from(other) })
  expect(await codes()).toContain('failed-seal')
})

it('a list of devices that was read is not told as one that cannot be', async () => {
  const machine = await approvedMachine()
  const codesOf = async () => {
    const { protection } = await statusAnswerOf(makeSimulatedHost(machine))
    return protection.reasons.map(({ code }) => code)
  }
  expect(await codesOf()).not.toContain('list-unread')
  machine.dom0.set(LEDGER, { bytes: Buffer.from('{'), mtimeMs: 0 })
  expect(await codesOf()).toContain('list-unread')
})
