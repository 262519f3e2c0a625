import { describe, expect, it } from 'vitest'
import { writeEnvironmentBlock } from '../../src/host/simulated/grub/environment-block.ts'
import { makeSimulatedHost } from '../../src/host/simulated/host.ts'
import { findDevice, PLAIN_ENTRY, type SimMachine } from '../../src/host/simulated/model.ts'
import { describePrediction } from '../../src/messages/predict.ts'
import { describeReplacement } from '../../src/messages/vouch.ts'
import { approvedMachine, NEXT_XEN, update } from '../support/approved-machine.ts'
import { typeCancel, typeResume, typeStart } from '../support/at-terminal.ts'

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
