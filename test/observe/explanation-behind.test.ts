import { describe, expect, it } from 'vitest'
import type { Session } from '../../src/core/session/checkpoint.ts'
import { ABSENT } from '../../src/host/host.ts'
import { changeOneByte } from '../../src/host/simulated/boot-images.ts'
import { NEW_XEN, STICK, XEN_IMAGE } from '../../src/host/simulated/build.ts'
import { makeSimulatedHost } from '../../src/host/simulated/host.ts'
import { findDevice, type SimDevice, type SimMachine } from '../../src/host/simulated/model.ts'
import { restartMachine } from '../../src/host/simulated/power.ts'
import { observeDom0 } from '../../src/observe/dom0/dom0.ts'
import { observeExplanation } from '../../src/observe/launch/explanation.ts'
import { NEXT_XEN, update } from '../support/approved-machine.ts'
import { editEntries } from '../support/attack.ts'
import { machineOf } from '../support/built-in.ts'
import { started } from '../support/started.ts'

/** What `explain` says of a device that a package which came after `start` did not reach, on the built-in machine. */

/** dom0 boots from a stick, and `start` was run; then Xen is installed once more, which reaches dom0's own /boot alone. */
async function behind(change: (stick: SimDevice) => void = () => {}) {
  const machine = machineOf('two-devices')
  machine.bootDevice = STICK.uuid
  restartMachine(machine)
  restartMachine(machine)
  update(machine, NEW_XEN)
  const { session: left } = await started(machine)
  update(machine, NEXT_XEN)
  change(findDevice(machine, STICK.uuid)!)
  restartMachine(machine)
  const dom0 = observeDom0(makeSimulatedHost(machine))
  const { verdict, reasons } = await observeExplanation(dom0, left, ABSENT)
  return { verdict, said: reasons.map(({ what }) => what).join('\n') }
}

describe('grub.cfg that a later package of AEM made again, with an entry that cannot be judged', () => {
  /** @param change the session, and the registers after the restart */
  async function made(change: (session: Session, machine: SimMachine) => Session = (session) => session) {
    const machine = machineOf('clean-update')
    const { session: left } = await started(machine)
    machine.nowMs += 3600_000
    machine.packages = machine.packages.map((item) =>
      item.name === 'anti-evil-maid'
        ? { ...item, evr: '0:4.9.9-1.fc37', installedAtMs: machine.nowMs }
        : item,
    )
    editEntries(machine, (entry) => entry.replace('{\n', '{\n\tno_such_command\n'))
    restartMachine(machine)
    const session = change(left, machine)
    const dom0 = observeDom0(makeSimulatedHost(machine))
    const { reasons } = await observeExplanation(dom0, session, ABSENT)
    const named = reasons.filter(({ what }) => what.includes('grub.cfg')).map(({ code }) => code)
    return { named, reasons }
  }
  const withRow = (session: Session, change: (row: { index: number }) => object | null): Session => {
    const prediction = session.prediction as unknown as { pcrs: { index: number }[] }
    const pcrs = prediction.pcrs.flatMap((row) => change(row) ?? [])
    return { ...session, prediction: { ...prediction, pcrs } as never }
  }

  it('is accounted for where every register is as predicted: nothing else booted', async () => {
    const { named } = await made()
    expect(named).toContain('changed-after-start')
    expect(named).not.toContain('boot-file-changed')
  })

  it('is not where one register is not as predicted', async () => {
    const { named } = await made((session) =>
      withRow(session, (row) => (row.index === 19 ? { ...row, predicted: 'ab'.repeat(32) } : row)),
    )
    expect(named).toContain('boot-file-changed')
  })

  it('is not where one register is neither predicted nor read', async () => {
    const { named } = await made((session, machine) => {
      const { 19: _unread, ...sha256 } = machine.pcrs.sha256!
      machine.pcrs = { sha256 }
      return withRow(session, (row) => (row.index === 19 ? null : row))
    })
    expect(named).toContain('boot-file-changed')
  })
})

describe('a device that a later Xen did not reach', () => {
  it('is as it was confirmed: nothing is wrong with it', async () => {
    const { verdict, said } = await behind()
    expect(said).not.toContain('is not current')
    expect(verdict).toBe('unchanged')
  })

  it('but whose Xen is another one than was confirmed is not', async () => {
    const { verdict, said } = await behind(({ files }) => {
      const file = files.get(`/${XEN_IMAGE}`)!
      files.set(`/${XEN_IMAGE}`, { ...file, bytes: changeOneByte(file.bytes) })
    })
    expect(said).toContain(`${XEN_IMAGE} (xen) is not current`)
    expect(verdict).toBe('unexplained')
  })
})
