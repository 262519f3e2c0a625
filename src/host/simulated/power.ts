import { HOLD_DROP_IN } from '../../tables/paths.ts'
import { seal, unseal } from './aem.ts'
import { bootDevice, bootsWithAem } from './grub/hand-over.ts'
import type { GrubDisk } from './grub/run.ts'
import { launch, measureLuksHeader, resetAllPcrs } from './launch.ts'
import { findDevice, type SimDevice, type SimMachine } from './model.ts'

/** A boot takes this long on the simulated clock. */
const BOOT_MS = 90_000

/** Power cycle with AEM as it comes: it seals by itself to whatever booted. */
export function restartMachine(machine: SimMachine): void {
  bootMachine(machine)
  startSeal(machine, true)
}

/** Is there a drop-in, so that systemd asks the gate before AEM's automatic seal? */
export function isSealAsked(machine: SimMachine): boolean {
  return machine.dom0.has(HOLD_DROP_IN)
}

/** AEM's seal unit as systemd starts it. @param mayRun the gate's answer; true where nobody is asked */
export function startSeal(machine: SimMachine, mayRun: boolean): void {
  if (!bootsWithAem(machine.booted?.kernel.commandLine ?? '')) return
  machine.nowMs += BOOT_MS
  if (!mayRun) {
    machine.seal = { startedAtUs: 0, exit: 0, conditionMet: false, isHeld: true }
    return
  }
  const exit = seal(machine)
  machine.seal = { startedAtUs: 2 * BOOT_MS * 1000, exit, conditionMet: true, isHeld: false }
  machine.nowMs += BOOT_MS
}

/** Everything of the last boot is gone, and what lies on the boot device is measured again; up to AEM's seal. */
export function bootMachine(machine: SimMachine): void {
  const device = findDevice(machine, machine.bootDevice)
  if (!device) throw new Error('the built-in machine has no boot device')
  machine.nowMs += BOOT_MS
  machine.bootTimeMs = Math.floor(machine.nowMs / 1000) * 1000
  machine.bootCount += 1
  machine.journal = []
  machine.launchLog = null
  machine.restartRequested = null
  machine.seal = { startedAtUs: 0, exit: 0, conditionMet: false, isHeld: false }
  for (const path of machine.dom0.keys()) if (path.startsWith('/run/')) machine.dom0.delete(path)
  resetAllPcrs(machine)
  const booted = bootDevice(diskOf(device), machine.menuChoice)
  machine.booted = booted
  for (const [path, bytes] of booted.written) device.files.set(path, { bytes, mtimeMs: machine.nowMs })
  if (booted.tboot && machine.launchWorks) launch(machine, booted.tboot, booted)
  if (!bootsWithAem(booted.kernel.commandLine)) return
  measureLuksHeader(machine)
  machine.nowMs += BOOT_MS
  unseal(machine, device)
}

/** A device as GRUB finds it; anti-evil-maid-install made its folder /aem. */
function diskOf(device: SimDevice): GrubDisk {
  return {
    uuid: device.uuid,
    readFile: (path) => {
      const file = device.files.get(path)
      return file ? Buffer.from(file.bytes) : null
    },
    hasDirectory: (path) =>
      path === '/aem' || [...device.files.keys()].some((name) => name.startsWith(`${path}/`)),
  }
}
