import { gunzipSync } from 'node:zlib'
import { findBuildId } from '../../core/xen/build-id.ts'
import { HOLD_DROP_IN } from '../../paths.ts'
import { seal, unseal } from './aem.ts'
import { launch, measureLuksHeader, resetAllPcrs } from './launch.ts'
import { findDevice, LUKS_UUID, type SimMachine } from './model.ts'

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
  if (!machine.choosesAemEntry) return
  machine.nowMs += BOOT_MS
  if (!mayRun) {
    machine.seal = { startedAtUs: 0, exit: 0, conditionMet: false, isHeld: true }
    return
  }
  const exit = seal(machine)
  machine.seal = { startedAtUs: 2 * BOOT_MS * 1000, exit, conditionMet: true, isHeld: false }
  machine.nowMs += BOOT_MS
}

/** Everything of the last boot is gone, and what lies on the boot device is measured anew; up to AEM's seal. */
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
  const common = `placeholder root=/dev/mapper/qubes_dom0-root ro rd.luks.uuid=luks-${LUKS_UUID} rhgb quiet`
  machine.kernelCommandLine = machine.choosesAemEntry
    ? `${common} aem.uuid=${device.uuid} rd.luks.key=/tmp/aem-keyfile rd.luks.crypttab=no`
    : common
  machine.runningXenBuildId = readBuildId(device.files.get('/xen-4.17.4.gz')?.bytes) ?? ''
  if (!machine.choosesAemEntry) return
  if (machine.launchWorks) launch(machine, device)
  measureLuksHeader(machine)
  machine.nowMs += BOOT_MS
  unseal(machine, device)
}

function readBuildId(image: Uint8Array | undefined): string | null {
  return image ? findBuildId(gunzipSync(image)) : null
}
