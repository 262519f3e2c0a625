import { EXIT, type ExitCode } from '../../core/failure.ts'
import { changeOneByte, makeSinit } from './boot-images.ts'
import { buildMachine, copyBootFiles, INTERNAL, installXen, NEW_XEN, STICK, XEN_IMAGE } from './build.ts'
import { bootFilesOf, findDevice, PLAIN_ENTRY, type SimMachine } from './model.ts'
import { restartMachine } from './power.ts'

/** A rehearsal: what the machine is like, and what happens to it while it is off. */
export type Scenario = {
  readonly name: string
  readonly tells: string
  /** What `rehearse --scenario NAME --yes` ends with. */
  readonly exit: ExitCode
  /** A machine with the update installed, still running what it booted before. */
  readonly make: () => SimMachine
  /** Done to the machine between the update and the first restart. */
  readonly whileOff: (machine: SimMachine) => void
}

const HOUR_MS = 3600 * 1000

/** Two good boots, of which the second shows the secret, then Xen's update: what a user has in front of them. */
function updatedMachine(devices = [INTERNAL], bootDevice = INTERNAL): SimMachine {
  const machine = buildMachine(devices, bootDevice)
  // The last one twice in a row: on TPM 2.0 a seal of another device takes its token's place.
  const others = devices.filter(({ uuid }) => uuid !== bootDevice.uuid)
  for (const device of [...others, bootDevice, bootDevice]) {
    machine.bootDevice = device.uuid
    restartMachine(machine)
  }
  machine.nowMs += HOUR_MS
  installXen(machine, NEW_XEN, machine.nowMs)
  machine.nowMs += HOUR_MS
  return machine
}

function nothing(): void {}

export const SCENARIOS: readonly Scenario[] = [
  {
    name: 'clean-update',
    tells: 'Xen is updated, dom0 restarts, the change is explained and resealed',
    exit: EXIT.done,
    make: updatedMachine,
    whileOff: nothing,
  },
  {
    name: 'evil-maid',
    tells: 'somebody changes the Xen image on the boot device between update and restart',
    exit: EXIT.unexplained,
    make: updatedMachine,
    whileOff: (machine) => {
      const boot = bootFilesOf(machine)
      const image = boot.get(XEN_IMAGE)
      if (image) boot.set(XEN_IMAGE, { bytes: changeOneByte(image.bytes), mtimeMs: image.mtimeMs })
    },
  },
  {
    name: 'sinit-changed',
    tells: 'the SINIT module is another one at the next boot: PCR 17 moves, and the update does not touch it',
    exit: EXIT.unexplained,
    make: updatedMachine,
    whileOff: (machine) => {
      const sinit = { bytes: makeSinit('another module'), mtimeMs: machine.nowMs }
      findDevice(machine, machine.bootDevice)?.files.set('/SINIT.BIN', sinit)
    },
  },
  {
    name: 'stale-stick',
    tells: 'dom0 boots from a stick that still carries the old Xen',
    exit: EXIT.attention,
    make: () => updatedMachine([STICK], STICK),
    whileOff: nothing,
  },
  {
    name: 'not-aem-boot',
    tells: 'after the restart the entry without AEM is chosen',
    exit: EXIT.attention,
    make: updatedMachine,
    whileOff: (machine) => {
      machine.menuChoice = PLAIN_ENTRY
    },
  },
  {
    name: 'unmeasured',
    tells: 'the AEM entry boots, but no measured launch happens',
    exit: EXIT.attention,
    make: updatedMachine,
    whileOff: (machine) => {
      machine.launchWorks = false
    },
  },
  {
    name: 'seal-failed',
    tells: "AEM's seal fails after the restart",
    exit: EXIT.attention,
    make: updatedMachine,
    whileOff: (machine) => {
      machine.sealWorks = false
    },
  },
  {
    name: 'two-devices',
    tells: 'a second AEM device is left to do',
    exit: EXIT.waitingForRestart,
    make: () => {
      const machine = updatedMachine([INTERNAL, STICK])
      for (const device of machine.devices) if (!device.isInternal) copyBootFiles(machine, device)
      return machine
    },
    whileOff: nothing,
  },
  {
    name: 'no-aem',
    tells: 'Anti Evil Maid is not installed',
    exit: EXIT.attention,
    make: () => {
      const machine = updatedMachine()
      machine.isAemInstalled = false
      return machine
    },
    whileOff: nothing,
  },
]
