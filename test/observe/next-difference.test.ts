import { expect, it } from 'vitest'
import { type Host, seen, unknown } from '../../src/host/host.ts'
import { changeOneByte } from '../../src/host/simulated/boot-images.ts'
import { XEN_IMAGE } from '../../src/host/simulated/build.ts'
import { makeSimulatedHost } from '../../src/host/simulated/host.ts'
import { bootFilesOf, type SimMachine } from '../../src/host/simulated/model.ts'
import { restartMachine } from '../../src/host/simulated/power.ts'
import { observeDom0 } from '../../src/observe/dom0/dom0.ts'
import { observeNextDifference } from '../../src/observe/launch/next-difference.ts'
import { editEntries } from '../support/attack.ts'
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
  expect(await differenceOf(machine)).toEqual([
    `the Xen image /${XEN_IMAGE} (PCR 18)`,
    'a LUKS header (PCR 13)',
  ])
})

it('a module that is left out is no component of its register, which is named by itself', async () => {
  const machine = booted()
  editEntries(machine, (entry) => entry.replace(/\n[ \t]*module\s+\/initramfs[^\n]*/, ''))
  expect(await differenceOf(machine)).toEqual(['PCR 19'])
})

it('a register that cannot be predicted leaves it open, where all others stay', async () => {
  const machine = booted()
  seal(machine, '--pcr 17 --pcr 18 --pcr 19')
  // It is no tboot of which this program computes the hash.
  const tboot = { bytes: Buffer.from('another tboot'), mtimeMs: machine.nowMs }
  bootFilesOf(machine).set('tboot.gz', tboot)
  expect(await differenceOf(machine)).toBeNull()
  const unread = (own: Host): Partial<Host> => ({
    run: async (call, input) =>
      call.id === 'luks-header' ? seen({ exit: 1, stdout: '', stderr: '' }) : own.run(call, input),
  })
  expect(await differenceOf(booted(), unread)).toBeNull()
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
