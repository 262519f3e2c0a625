import { describe, expect, it } from 'vitest'
import { makeSimulatedHost } from '../../src/host/simulated/host.ts'
import { bootFilesOf, type SimMachine } from '../../src/host/simulated/model.ts'
import { restartMachine } from '../../src/host/simulated/power.ts'
import {
  approvedMachine,
  finish,
  INITRAMFS,
  isSecretShown,
  loadLedger,
  NEXT_XEN,
  start,
  update,
} from '../support/approved-machine.ts'
import { statusAnswerOf } from '../support/status.ts'
import { verifyNow } from '../support/verify-now.ts'

/* A battery is dead, and the boot after an update begins in 2011: every file and package is newer than it. */

const DEAD = Date.parse('2011-01-01T00:00:00Z')

async function bootedIn2011(): Promise<SimMachine> {
  const machine = await approvedMachine()
  update(machine, NEXT_XEN)
  expect((await start(machine)).exit).toBe(3)
  machine.nowMs = DEAD
  restartMachine(machine)
  expect(isSecretShown(machine)).toBe(true)
  return machine
}

async function look(machine: SimMachine) {
  const { protection, aem, updates } = await statusAnswerOf(makeSimulatedHost(machine))
  return {
    codes: protection.reasons.map(({ code }) => code),
    work: aem.devices[0]?.work?.state,
    newInitramfs: updates?.newInitramfs,
  }
}

describe('a clock that was set back', () => {
  it('changes nothing of a boot that is as it was predicted', async () => {
    const machine = await bootedIn2011()
    expect((await finish(machine)).exit).toBe(0)
    expect(await look(machine)).toEqual({ codes: [], work: 'done', newInitramfs: [] })
    restartMachine(machine)
    expect(isSecretShown(machine)).toBe(true)
  })

  it('leaves the packages that were there in the approved boot, so that they account for no later change', async () => {
    const machine = await bootedIn2011()
    await finish(machine)
    const { devices } = await loadLedger(machine)
    expect(devices[0]?.approved?.packages?.map(({ name }) => name)).toContain('xen-hypervisor')
  })

  it('lets the next update be sealed forward to', async () => {
    const machine = await bootedIn2011()
    await finish(machine)
    update(machine, `${NEXT_XEN.slice(0, -1)}6`)
    const { exit, said } = await start(machine)
    expect(said).not.toContain('written since this boot')
    expect(exit).toBe(3)
    restartMachine(machine)
    expect(isSecretShown(machine)).toBe(true)
  })

  it('hides nothing that is written in this boot', async () => {
    const machine = await bootedIn2011()
    await finish(machine)
    machine.nowMs += 60_000
    const boot = bootFilesOf(machine)
    boot.set(INITRAMFS, { bytes: Buffer.from('made by hand'), mtimeMs: machine.nowMs })
    const { codes, newInitramfs } = await look(machine)
    expect([codes, newInitramfs]).toEqual([['files-updated'], [`/boot/${INITRAMFS}`]])
  })

  it('does not hide what was changed before the verification, with a time of an earlier boot', async () => {
    const machine = await bootedIn2011()
    const boot = bootFilesOf(machine)
    const old = boot.get(INITRAMFS)!
    boot.set(INITRAMFS, { ...old, bytes: Buffer.from('another one') })
    await verifyNow(machine)
    expect((await loadLedger(machine)).devices[0]?.verified?.isCurrent).toBe(false)
  })
})
