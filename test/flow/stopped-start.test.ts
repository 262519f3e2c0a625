import { describe, expect, it } from 'vitest'
import { seal } from '../../src/host/simulated/aem.ts'
import { writeEnvironmentBlock } from '../../src/host/simulated/grub/environment-block.ts'
import { makeSimulatedHost } from '../../src/host/simulated/host.ts'
import { findDevice, PLAIN_ENTRY, type SimMachine } from '../../src/host/simulated/model.ts'
import { bootMachine, isSealAsked, startSeal } from '../../src/host/simulated/power.ts'
import { describePrediction } from '../../src/messages/predict.ts'
import { describeReplacement } from '../../src/messages/vouch.ts'
import { approvedMachine, isSecretShown, NEXT_XEN, update } from '../support/approved-machine.ts'
import { type, typeCancel, typeResume, typeStart } from '../support/at-terminal.ts'
import { runMain } from '../support/io.ts'

/** What a `start` that stopped orders can be obeyed while its session is open. */

const CANCEL_AND_START = '`aem-reseal cancel`, then `aem-reseal start`'

async function updatedMachine(): Promise<SimMachine> {
  const machine = await approvedMachine()
  update(machine, NEXT_XEN)
  return machine
}

describe('a LUKS header that nobody called their own', () => {
  const stopped = async () => {
    const machine = await updatedMachine()
    machine.luksHeader = Buffer.from('another key slot')
    const { exit, said } = await typeStart(makeSimulatedHost(machine), null, {})
    expect([exit, said]).toEqual([
      1,
      expect.stringContaining('run `aem-reseal resume` in a terminal and say so'),
    ])
    return machine
  }

  it('`resume` asks again, and goes on after a yes', async () => {
    const resumed = await typeResume(makeSimulatedHost(await stopped()), { 'accept-luks-header': 'yes' })
    expect([resumed.exit, resumed.said]).toEqual([3, expect.stringContaining('restart dom0')])
    expect(resumed.asked).toContain('accept-luks-header')
  })

  it('the evil twin: `resume` stops after another no, and --yes is one', async () => {
    const machine = await stopped()
    expect((await typeResume(makeSimulatedHost(machine), {})).exit).toBe(1)
    expect((await typeResume(makeSimulatedHost(machine))).exit).toBe(1)
  })
})

describe('another entry by default', () => {
  const setDefault = (machine: SimMachine, title: string) =>
    findDevice(machine, machine.bootDevice)!.files.set('/grub2/grubenv', {
      bytes: Buffer.from(writeEnvironmentBlock([['saved_entry', title]])),
      mtimeMs: machine.nowMs,
    })

  it('is put right, and the order after it goes through', async () => {
    const machine = await updatedMachine()
    setDefault(machine, PLAIN_ENTRY[0])
    const stopped = await typeStart(makeSimulatedHost(machine), 'forward-seal')
    expect([stopped.exit, stopped.said]).toEqual([1, expect.stringContaining(`then ${CANCEL_AND_START}`)])
    setDefault(machine, 'AEM Qubes, with Xen hypervisor')
    await typeCancel(makeSimulatedHost(machine))
    expect((await typeStart(makeSimulatedHost(machine), 'forward-seal')).exit).toBe(3)
  })
})

describe('an initramfs that stays as it is is offered to be replaced again', () => {
  it.each([
    [null, CANCEL_AND_START],
    ['aem.stick', '`aem-reseal devices forward-seal aem.stick`'],
  ])('of the device %s', (device, order) => {
    expect(describeReplacement('kept', '/initramfs.img', device).next).toContain(order)
    expect(describeReplacement('failed', '/initramfs.img', device).next).toContain(order)
  })
})

describe('of another device, for which no session stays open', () => {
  const prediction = { pcrs: [], entry: null, refusal: null } as never
  const nextOf = (outcome: 'luks-header-changed' | 'not-aem-entry') =>
    describePrediction(outcome, prediction, [], { device: 'aem.stick' }).next

  it('`start` is ordered for the header, and its own command for the entry', () => {
    expect(nextOf('luks-header-changed')).toContain('run `aem-reseal start` in a terminal and say so')
    expect(nextOf('not-aem-entry')).toContain('then `aem-reseal devices forward-seal aem.stick`')
  })
})

describe('nothing pending in a boot of which the gate held the seal', () => {
  async function restartOnHold(machine: SimMachine): Promise<void> {
    bootMachine(machine)
    const gate = await runMain(['gate'], { host: makeSimulatedHost(machine) })
    startSeal(machine, !isSealAsked(machine) || gate.exit === 0)
  }

  async function onHold(): Promise<SimMachine> {
    const machine = await approvedMachine()
    await type(['gate', 'install'], makeSimulatedHost(machine), { 'install-drop-in': 'yes' })
    return machine
  }

  it('is not called nothing to do: the change is decided on by hand, and sealed', async () => {
    const machine = await onHold()
    update(machine, NEXT_XEN)
    expect((await typeStart(makeSimulatedHost(machine), 'hold')).exit).toBe(3)
    await typeCancel(makeSimulatedHost(machine))
    await restartOnHold(machine)
    expect(machine.seal.isHeld).toBe(true)
    const { exit, said } = await typeStart(makeSimulatedHost(machine), null, { 'ground-go-on': 'yes' })
    expect(exit).toBe(1)
    expect(said).toContain("AEM's automatic seal of this boot was held")
    expect(said).toContain('decide by hand whether the change is yours')
    expect(said).not.toContain('nothing has to be done')
    seal(machine)
    const sealed = await typeStart(makeSimulatedHost(machine), null, { 'ground-go-on': 'yes' })
    expect(sealed.said).toContain('nothing has to be done')
    await restartOnHold(machine)
    expect(isSecretShown(machine)).toBe(true)
  })

  it('the honest twin, on hold and nothing changed: nothing has to be done', async () => {
    const machine = await onHold()
    await restartOnHold(machine)
    expect((await typeStart(makeSimulatedHost(machine), null, {})).said).toContain('nothing has to be done')
  })
})
