import { expect, it } from 'vitest'
import { type Host, unknown } from '../../src/host/host.ts'
import { changeOneByte } from '../../src/host/simulated/boot-images.ts'
import { XEN_IMAGE } from '../../src/host/simulated/build.ts'
import { makeSimulatedHost } from '../../src/host/simulated/host.ts'
import { bootFilesOf, type SimMachine } from '../../src/host/simulated/model.ts'
import { restartMachine } from '../../src/host/simulated/power.ts'
import { observeDom0 } from '../../src/observe/dom0/dom0.ts'
import { observeNextDifference } from '../../src/observe/launch/next-difference.ts'
import { machineOf } from '../support/built-in.ts'

/* What the next boot measures differently from this one, on the built-in machine. */

/** After an update and its restart. */
function booted(): SimMachine {
  const machine = machineOf('clean-update')
  restartMachine(machine)
  return machine
}

function differenceOf(machine: SimMachine, told: (own: Host) => Partial<Host> = () => ({})) {
  const own = makeSimulatedHost(machine)
  return observeNextDifference(observeDom0({ ...own, ...told(own) }))
}

const withoutLog = (own: Host): Partial<Host> => ({
  run: async (call, input) => (call.id === 'launch-log' ? unknown('no log') : own.run(call, input)),
})

function seal(machine: SimMachine, selection: string): void {
  machine.dom0.set('/etc/anti-evil-maid.conf', { bytes: Buffer.from(`SEAL="${selection}"\n`), mtimeMs: 0 })
}

it('nothing is other where nothing was changed', async () => {
  expect(await differenceOf(booted())).toEqual([])
})

it('a changed file and a changed header are named with their registers', async () => {
  const machine = booted()
  const file = bootFilesOf(machine).get(XEN_IMAGE)!
  bootFilesOf(machine).set(XEN_IMAGE, { ...file, bytes: changeOneByte(file.bytes) })
  machine.luksHeader = Buffer.from('a header with another key slot')
  const found = (await differenceOf(machine))?.join('\n')
  expect(found).toContain(XEN_IMAGE)
  expect(found).toContain('a LUKS header (PCR 13)')
})

it.each(['--pcr 13 --pcr 17 --pcr 18 --pcr 19', '--pcr 17 --pcr 18 --pcr 19'])(
  'what cannot be predicted is not called the same: SEAL="%s"',
  async (selection) => {
    const machine = booted()
    seal(machine, selection)
    expect(await differenceOf(machine)).toEqual([])
    expect(await differenceOf(machine, withoutLog)).toBeNull()
  },
)
