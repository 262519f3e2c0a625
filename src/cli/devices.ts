import { repairSlots } from '../../flows/devices.ts'
import { EXIT } from '../core/failure.ts'
import { startSession } from '../core/session/checkpoint.ts'
import { makeDirectoryStore } from '../flow/store.ts'
import type { Host } from '../host/host.ts'
import { describeLedger } from '../messages/devices.ts'
import { makeFailure } from '../messages.ts'
import { observeMachine } from '../observe/machine.ts'
import { observeStatus } from '../observe/status.ts'
import type { GlobalOptions, Io } from './io.ts'
import { runDeviceFlow } from './session.ts'
import { renderDevices, toStatusAnswer } from './status.ts'
import { assertAnswerable, makeUi, printJson, stateDirOf } from './world.ts'

export const DEVICE_ACTS = ['repair-slots'] as const
export type DeviceAct = (typeof DEVICE_ACTS)[number]

export function isDeviceAct(text: string): text is DeviceAct {
  return DEVICE_ACTS.some((act) => act === text)
}

/** `aem-reseal devices`: every AEM device with its state and what it needs. */
export async function runDevices(io: Io, options: GlobalOptions, host: Host): Promise<number> {
  const ui = makeUi(io, options)
  const directory = stateDirOf(options)
  const store = makeDirectoryStore(host, directory)
  const facts = await ui.progress('looking at the devices', () => observeStatus(host))
  const look = await store.loadDevices()
  const { aem, deviceList } = toStatusAnswer(facts, await store.load(), null, look)
  if (options.json) printJson(io, { devices: aem.devices, deviceList })
  else ui.say(renderDevices(aem.devices, describeLedger(look, `${directory}/devices.json`)))
  return EXIT.done
}

/** `aem-reseal devices repair-slots`: a short flow of its own, with the same lock and checkpoint as a session. */
export async function runDeviceAct(io: Io, options: GlobalOptions, host: Host): Promise<number> {
  if (!host.writable) throw makeFailure('machine-is-read-only', { path: stateDirOf(options) })
  assertAnswerable(io, options, '')
  const store = makeDirectoryStore(host, stateDirOf(options))
  const open = await store.load()
  if (open !== null) throw makeFailure('session-open', { since: open.since, step: open.step })
  const { bootId } = await observeMachine(host)
  const session = startSession({ id: io.makeId(), now: host.now(), bootId, flow: repairSlots.id })
  return runDeviceFlow(io, options, host, store, repairSlots, session, null)
}
