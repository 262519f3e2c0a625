import { DEVICE_FLOWS } from '../../flows/index.ts'
import { makeDirectoryStore } from '../act/session-store.ts'
import { labelOf } from '../core/aem/devices.ts'
import { CANCEL_AND_START } from '../core/decide/preparedness.ts'
import { EXIT } from '../core/failure.ts'
import { listForwardValues } from '../core/seal/forward-of-session.ts'
import { startSession } from '../core/session/checkpoint.ts'
import type { Host } from '../host/host.ts'
import { describeLedger } from '../messages/devices.ts'
import { summarizePreparedness } from '../messages/prepared.ts'
import { observeDom0 } from '../observe/dom0/dom0.ts'
import { observeStatus } from '../observe/dom0/status.ts'
import { observePreparedness } from '../observe/launch/prepared.ts'
import { makeFailure } from '../tables/failures.ts'
import { line } from '../ui/ui.ts'
import { assertAnswerable, makeUi, printJson, stateDirOf } from './context.ts'
import { toSuffix } from './device-name.ts'
import type { GlobalOptions, Io } from './io.ts'
import { renderDevices } from './render-status.ts'
import { runDeviceFlow } from './session.ts'
import { toDeviceAnswers, toDeviceListAnswer } from './status-answer.ts'

/** `aem-reseal devices`: every AEM device with its state and what it needs. */
export async function runDevices(io: Io, options: GlobalOptions, host: Host): Promise<number> {
  const dom0 = observeDom0(host)
  const ui = makeUi(io, options)
  const directory = stateDirOf(options)
  const store = makeDirectoryStore(host, directory)
  const look = await store.loadDevices()
  const session = await store.load()
  const facts = await ui.progress('looking at the devices', () =>
    observeStatus(dom0, listForwardValues(session, look)),
  )
  const devices = toDeviceAnswers(facts, look, session)
  const prepared = await observePreparedness(dom0, session)
  if (options.json)
    printJson(io, 'devices', {
      devices,
      deviceList: toDeviceListAnswer(look),
      ...(prepared === null ? {} : { prepared }),
    })
  else {
    ui.say(renderDevices(devices, describeLedger(look, `${directory}/devices.json`), facts.areDevicesKnown))
    const said = summarizePreparedness(prepared, session?.protection ?? null)
    const next = prepared?.state === 'outdated' ? [`next: ${CANCEL_AND_START}; do not restart before`] : []
    if (said !== null) ui.say([said, ...next].map((text) => line(text, 'warn')))
  }
  return EXIT.done
}

/**
 * `aem-reseal devices repair-slots`, `refresh`, `forward-seal`: a short flow of its own, with the same lock and checkpoint as a
 * session.
 * @param name suffix or label of the device; null: the one this boot came from
 */
export async function runDeviceAct(
  io: Io,
  options: GlobalOptions,
  host: Host,
  act: keyof typeof DEVICE_FLOWS,
  name: string | null,
): Promise<number> {
  const dom0 = observeDom0(host)
  const flow = DEVICE_FLOWS[act]
  const device = name === null ? null : labelOf(toSuffix(name))
  if (!host.writable) throw makeFailure('machine-is-read-only', { path: stateDirOf(options) })
  assertAnswerable(io, options, '', act !== 'forward-seal')
  const store = makeDirectoryStore(host, stateDirOf(options))
  const open = await store.load()
  if (open !== null) throw makeFailure('session-open', { since: open.since, step: open.step })
  const { bootId } = await dom0.machine()
  const session = startSession({ id: io.makeId(), now: host.now(), bootId, flow: flow.id, device })
  return runDeviceFlow(io, options, dom0, store, flow, session, null)
}
