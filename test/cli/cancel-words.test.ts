import { describe, expect, it } from 'vitest'
import { INTERNAL } from '../../src/host/simulated/build.ts'
import { makeSimulatedHost } from '../../src/host/simulated/host.ts'
import { findDevice, type SimMachine } from '../../src/host/simulated/model.ts'
import { restartMachine } from '../../src/host/simulated/power.ts'
import { describeRestored } from '../../src/messages/forward-seal.ts'
import { approvedMachine, NEXT_XEN, update } from '../support/approved-machine.ts'
import { typeCancel, typeStart } from '../support/at-terminal.ts'

/** What `cancel` says of the sealed files and of the update, by what lies there. */

async function started(protect: 'forward-seal' | 'plain'): Promise<SimMachine> {
  const machine = await approvedMachine()
  update(machine, NEXT_XEN)
  expect((await typeStart(makeSimulatedHost(machine), protect)).exit).toBe(3)
  return machine
}

const cancel = async (machine: SimMachine) => (await typeCancel(makeSimulatedHost(machine))).said

const IN_PLACE = 'the forward seal was taken back: the old sealed files are in place again'

describe('the sealed files, taken back', () => {
  it('are in place again where both copies are', async () => {
    expect(await cancel(await started('forward-seal'))).toContain(IN_PLACE)
  })

  it('are not in place again on a device that has none', async () => {
    const machine = await started('forward-seal')
    const { files } = findDevice(machine, INTERNAL.uuid)!
    for (const path of [...files.keys()]) if (path.startsWith('/aem/tpms/')) files.delete(path)
    const said = await cancel(machine)
    expect(said).not.toContain(IN_PLACE)
    expect(said).toContain('in dom0 alone; on the device they are neither the old ones nor')
    expect(said).toContain('`aem-reseal verify`')
  })

  it.each([
    ['restored', 'restored', IN_PLACE],
    ['was-old', 'restored', IN_PLACE],
    ['was-old', 'was-old', 'the sealed files are those from before'],
    ['superseded', 'superseded', 'the forward seal is history'],
    ['absent', 'superseded', 'the forward seal is history'],
    ['restored', 'superseded', 'on the device alone; in dom0 they are neither'],
    ['superseded', 'was-old', 'in dom0 alone; on the device they are neither'],
    ['absent', 'was-old', 'in dom0 alone; the device is not plugged in'],
  ] as const)('device %s, dom0 %s', (device, dom0, words) => {
    expect(describeRestored({ device, dom0 })).toContain(words)
  })
})

describe('the update', () => {
  const COMES = 'the change will come with the next restart'

  it('comes with the next restart, before it', async () => {
    expect(await cancel(await started('plain'))).toContain(COMES)
  })

  it('has come, after it', async () => {
    const machine = await started('plain')
    restartMachine(machine)
    const said = await cancel(machine)
    expect(said).not.toContain(COMES)
    expect(said).toContain(
      'dom0 was restarted since `start`; `aem-reseal status` says what this boot is worth',
    )
  })
})
