import { makeDirectoryStore } from '../../src/act/session-store.ts'
import { startSession } from '../../src/core/session/checkpoint.ts'
import { runFlow } from '../../src/flow/runner.ts'
import { STEPS } from '../../src/flow/steps.ts'
import type { Flow } from '../../src/flow/types.ts'
import { INTERNAL, installInitramfsInput } from '../../src/host/simulated/build.ts'
import { makeSimulatedHost } from '../../src/host/simulated/host.ts'
import { findDevice, type SimFile, type SimMachine } from '../../src/host/simulated/model.ts'
import { restartMachine } from '../../src/host/simulated/power.ts'
import { observeMachine } from '../../src/observe/dom0/machine.ts'
import { DEFAULT_STATE_DIR } from '../../src/tables/paths.ts'
import { machineOf, outcomesOf, RUN_OPTIONS, SESSION_ID } from './built-in.ts'
import { makeScriptedUi } from './scripted-ui.ts'
import { verifyNow } from './verify-now.ts'

/* An internal device whose boot was approved, a stick beside it, and somebody who has the stick in hand now and then. */

const HOUR_MS = 3600 * 1000

export async function twoDevices(): Promise<SimMachine> {
  const machine = machineOf('two-devices')
  boot(machine, INTERNAL.uuid)
  await verifyNow(machine, { approve: true })
  return machine
}

export function boot(machine: SimMachine, uuid: string): void {
  machine.bootDevice = uuid
  restartMachine(machine)
}

export const filesOf = (machine: SimMachine, uuid: string): Map<string, SimFile> =>
  findDevice(machine, uuid)!.files

/** A flow about the stick; a person says no to all that --yes does not answer. */
export async function runOnStick(machine: SimMachine, flow: Flow) {
  const host = makeSimulatedHost(machine)
  const ui = makeScriptedUi({ 'refresh-device': 'yes', 'ground-go-on': 'no', 'replace-initramfs': 'no' })
  const store = makeDirectoryStore(host, DEFAULT_STATE_DIR)
  const { bootId } = await observeMachine(host)
  const session = startSession({
    id: SESSION_ID,
    now: host.now(),
    bootId,
    flow: flow.id,
    device: 'aem.stick',
  })
  const context = { host, ui, store, options: RUN_OPTIONS, session, simulateRestart: null }
  const result = await runFlow(flow, flow.start, STEPS, context)
  return { outcomes: outcomesOf(result), exit: result.exit, said: ui.said.join(' ').replaceAll(/\s+/g, ' ') }
}

/** An honest update of the microcode, which goes into a new initramfs. */
export function updateMicrocode(machine: SimMachine): void {
  machine.nowMs += HOUR_MS
  installInitramfsInput(machine, 'microcode_ctl', '2:2.1-58.qubes1.fc37')
  machine.nowMs += HOUR_MS
}
