import type { Session } from '../core/session/checkpoint.ts'
import { findLedgerDevice, type LedgerLook } from '../core/session/device-ledger.ts'
import type { Host } from '../host/host.ts'
import { type AemDevice, findBootedDevice, observeDevices } from './devices.ts'
import { observeMachine } from './machine.ts'
import type { PredictionTarget } from './vouching.ts'

/** The device that a session is about: the one it names, else the one this boot came from. */
export async function observeTarget(host: Host, session: Pick<Session, 'device'>): Promise<AemDevice | null> {
  const machine = await observeMachine(host)
  const devices = await observeDevices(host, machine)
  if (session.device === null) return findBootedDevice(devices, machine.aemUuid)
  return devices.find(({ label }) => label === session.device) ?? null
}

/** The same for a prediction: null where the next boot is from the device this boot came from. */
export async function observeOtherTarget(
  host: Host,
  session: Pick<Session, 'device'>,
  look: LedgerLook,
): Promise<PredictionTarget | null> {
  const device = session.device === null ? null : await observeTarget(host, session)
  if (device === null) return null
  const known = look.state === 'read' ? findLedgerDevice(look.ledger, device.label).knownFiles : []
  return { device, known: new Map(known.map(({ name, sha256 }) => [`/${name}`, sha256])) }
}
