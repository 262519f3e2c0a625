import { describe, expect, it } from 'vitest'
import { type Host, unknown } from '../../src/host/host.ts'
import { seal } from '../../src/host/simulated/aem.ts'
import { buildMachine, INTERNAL, NEW_XEN, STICK } from '../../src/host/simulated/build.ts'
import { makeSimulatedHost } from '../../src/host/simulated/host.ts'
import { findDevice, type SimMachine, TPM_ID } from '../../src/host/simulated/model.ts'
import { restartMachine } from '../../src/host/simulated/power.ts'
import { approvedMachine, finish, isSecretShown, LEDGER, start, update } from '../support/approved-machine.ts'
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

describe('what became of the copies after they were verified in this boot', () => {
  const ON_DEVICE = `/aem/tpms/${TPM_ID}/aem`
  const filesOf = (machine: SimMachine) => findDevice(machine, INTERNAL.uuid)!.files
  const look = async (machine: SimMachine) => {
    const { protection } = await statusAnswerOf(makeSimulatedHost(machine))
    return { state: protection.state, codes: protection.reasons.map(({ code }) => code) }
  }
  /** Both devices with the one slot of a TPM 2.0; the boot from the internal one was verified. */
  const twoDevices = async () => {
    const machine = buildMachine([INTERNAL, STICK], INTERNAL)
    restartMachine(machine)
    restartMachine(machine)
    update(machine, NEW_XEN)
    expect((await start(machine)).exit).toBe(3)
    restartMachine(machine)
    // The stick is left to do.
    expect((await finish(machine)).exit).toBe(3)
    expect(isSecretShown(machine)).toBe(true)
    return machine
  }

  it('is nothing where nothing touched them', async () => {
    expect(await look(await approvedMachine())).toEqual({ state: 'protected', codes: [] })
    expect(await look(await twoDevices())).toEqual({ state: 'protected', codes: [] })
  })

  it('is told of a key that was damaged on the device', async () => {
    const machine = await approvedMachine()
    const key = filesOf(machine).get(`${ON_DEVICE}/key.pub`)!
    const damaged = Buffer.concat([Buffer.from(key.bytes).subarray(0, 20), Buffer.alloc(60, 7)])
    filesOf(machine).set(`${ON_DEVICE}/key.pub`, { ...key, bytes: damaged })
    expect(await look(machine)).toEqual({ state: 'at-risk', codes: ['sealed-to-other'] })
    restartMachine(machine)
    expect(isSecretShown(machine)).toBe(false)
  })

  it('is told of sealed files that are gone from the device', async () => {
    const machine = await approvedMachine()
    filesOf(machine).delete(`${ON_DEVICE}/secret.fre.sealed2`)
    expect(await look(machine)).toEqual({ state: 'at-risk', codes: ['copy-missing'] })
  })

  it('is told of another SEAL', async () => {
    const machine = await approvedMachine()
    const text = 'SEAL="--pcr 17 --pcr 18"\n'
    machine.dom0.set('/etc/anti-evil-maid.conf', { bytes: Buffer.from(text), mtimeMs: 0 })
    expect(await look(machine)).toEqual({ state: 'at-risk', codes: ['sealed-to-other'] })
  })

  it('is told of another device that was sealed since, in the one slot of a TPM 2.0', async () => {
    const machine = await twoDevices()
    machine.bootDevice = STICK.uuid
    seal(machine)
    machine.bootDevice = INTERNAL.uuid
    expect(await look(machine)).toEqual({ state: 'at-risk', codes: ['slot-taken'] })
    restartMachine(machine)
    expect(isSecretShown(machine)).toBe(false)
  })
})
