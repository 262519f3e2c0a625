import { describe, expect, it } from 'vitest'
import {
  buildMachine,
  grubConfigOf,
  INTERNAL,
  installInitramfsInput,
  installKernel,
  installXen,
  makeBootInitramfs,
  NEW_XEN,
} from '../../../src/host/simulated/build.ts'
import { XEN_OPTIONS } from '../../../src/host/simulated/grub-files.ts'
import type { SimMachine } from '../../../src/host/simulated/model.ts'
import { restartMachine } from '../../../src/host/simulated/power.ts'
import { type Run, resumeRun, startRun, startWithYes } from '../../support/attack.ts'

/* The twins of the attacks: what a user does, and each ends with a forward seal and the secret at the first boot. */

const HOUR_MS = 3600 * 1000
const NEW_KERNEL = '6.6.48-1.qubes.fc37.x86_64'

/** A dom0 that runs what is sealed, with an update installed since. */
function updated(update: (machine: SimMachine) => void): SimMachine {
  const machine = buildMachine([INTERNAL], INTERNAL)
  restartMachine(machine)
  restartMachine(machine)
  machine.nowMs += HOUR_MS
  update(machine)
  machine.nowMs += HOUR_MS
  return machine
}

const newXen = (machine: SimMachine): void => installXen(machine, NEW_XEN, machine.nowMs)

const STORIES: readonly (readonly [string, (machine: SimMachine) => void])[] = [
  ['Xen alone', newXen],
  ['the kernel, with its initramfs', (machine) => installKernel(machine, NEW_KERNEL)],
  ['microcode', (machine) => installInitramfsInput(machine, 'microcode_ctl', '2:2.1-58.qubes1.fc37')],
  ['linux-firmware', (machine) => installInitramfsInput(machine, 'linux-firmware', '0:20240709-1.fc37')],
  [
    'dracut, and with it a new initramfs',
    (machine) => {
      installInitramfsInput(machine, 'dracut', '0:059-5.fc37')
      makeBootInitramfs(machine)
    },
  ],
  [
    'Xen, dracut, microcode and linux-firmware at once',
    (machine) => {
      newXen(machine)
      installInitramfsInput(machine, 'dracut', '0:059-5.fc37')
      installInitramfsInput(machine, 'microcode_ctl', '2:2.1-58.qubes1.fc37')
      installInitramfsInput(machine, 'linux-firmware', '0:20240709-1.fc37')
    },
  ],
]

/** Asked in every story: the way, the restart, the bulletin. */
const ASKED = ['bulletin', 'protection', 'restart']

async function expectShown(machine: SimMachine, run: Run): Promise<void> {
  expect(run.outcomes).toContain('forward-seal: sealed')
  expect(run.exit).toBe(3)
  restartMachine(machine)
  expect(machine.journal.join('\n')).toMatch(/Freshness token valid, continuing/)
  const { exit, outcomes } = await resumeRun(machine)
  expect(outcomes).toContain('explain: explained')
  expect(exit).toBe(0)
}

describe('a forward seal for an honest update, with no question but those of every update', () => {
  it.each(STORIES)('%s', async (_what, update) => {
    const machine = updated(update)
    const run = await startRun(machine)
    expect(run.asked.filter((id) => !ASKED.includes(id))).toEqual([])
    await expectShown(machine, run)
  })

  it.each(STORIES)('%s, with --yes', async (_what, update) => {
    const machine = updated(update)
    await expectShown(machine, await startWithYes(machine))
  })
})

describe('asked once, and named', () => {
  it('other kernel modules were loaded when the initramfs was made', async () => {
    const make = (): SimMachine =>
      updated((machine) => {
        machine.loadedModules = [...machine.loadedModules, 'usb-storage', 'xhci-pci']
        installInitramfsInput(machine, 'microcode_ctl', '2:2.1-58.qubes1.fc37')
        machine.loadedModules = machine.loadedModules.slice(0, -2)
      })
    const machine = make()
    const run = await startRun(machine)
    expect(run.asked.filter((id) => !ASKED.includes(id))).toEqual(['accept-modules'])
    expect(run.said).toMatch(/usb_storage.*xhci_pci/)
    await expectShown(machine, run)
    const alone = make()
    const unattended = await startWithYes(alone)
    expect(unattended.exit).toBe(1)
    expect(unattended.outcomes.filter((text) => text.startsWith('forward-seal:'))).toEqual([])
    expect(unattended.said).toMatch(/usb_storage.*xhci_pci/)
  })
  it('a change of your own in /etc/default/grub', async () => {
    const make = (): SimMachine =>
      updated((machine) => {
        newXen(machine)
        const settings = `GRUB_CMDLINE_XEN_DEFAULT="${XEN_OPTIONS} iommu=verbose"\n`
        machine.dom0.set('/etc/default/grub', { bytes: Buffer.from(settings), mtimeMs: machine.nowMs })
        const [device] = machine.devices
        const made = Buffer.from(grubConfigOf(machine, device!))
        device!.files.set('/grub2/grub.cfg', { bytes: made, mtimeMs: machine.nowMs })
      })
    const machine = make()
    const run = await startRun(machine)
    expect(run.asked.filter((id) => !ASKED.includes(id))).toEqual(['accept-command-line'])
    expect(run.said).toMatch(/\+ iommu=verbose/)
    await expectShown(machine, run)
    const unattended = await startWithYes(make())
    expect(unattended.exit).toBe(1)
    expect(unattended.outcomes.filter((text) => text.startsWith('forward-seal:'))).toEqual([])
    expect(unattended.said).toMatch(/\+ iommu=verbose/)
  })
})
