import type { Session } from '../core/session/checkpoint.ts'
import type { Host } from '../host/host.ts'
import { type AemDevice, findBootedDevice, observeDevices } from './devices.ts'
import { observeMachine } from './machine.ts'

/** The device that a session is about: the one it names, else the one this boot came from. */
export async function observeTarget(host: Host, session: Pick<Session, 'device'>): Promise<AemDevice | null> {
  const machine = await observeMachine(host)
  const devices = await observeDevices(host, machine)
  if (session.device === null) return findBootedDevice(devices, machine.aemUuid)
  return devices.find(({ label }) => label === session.device) ?? null
}
