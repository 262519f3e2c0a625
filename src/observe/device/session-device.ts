import type { Session } from '../../core/session/checkpoint.ts'
import { findLedgerDevice, type LedgerLook } from '../../core/session/device-ledger.ts'
import type { Dom0 } from '../dom0/dom0.ts'
import { observePackageNames } from '../launch/booted-state.ts'
import type { PredictionTarget } from '../launch/vouch-evidence.ts'
import { type AemDevice, findBootedDevice } from './devices.ts'

/** The device that a session is about: the one it names, else the one this boot came from. */
export async function observeTarget(dom0: Dom0, session: Pick<Session, 'device'>): Promise<AemDevice | null> {
  const machine = await dom0.machine()
  const { devices } = await dom0.devices()
  if (session.device === null) return findBootedDevice(devices, machine.aemUuid)
  return devices.find(({ label }) => label === session.device) ?? null
}

/** The same for a prediction: null where the next boot is from the device this boot came from. */
export async function observeOtherTarget(
  dom0: Dom0,
  session: Pick<Session, 'device'>,
  look: LedgerLook,
): Promise<PredictionTarget | null> {
  const device = session.device === null ? null : await observeTarget(dom0, session)
  if (device === null) return null
  const known = look.state === 'read' ? findLedgerDevice(look.ledger, device.label).knownFiles : []
  const { bootId } = await dom0.machine()
  const packages = (await observePackageNames(dom0))?.join('\n') ?? null
  const isOfNow = ({ origin }: (typeof known)[number]): boolean =>
    origin !== undefined &&
    (origin.madeIn === null || origin.madeIn === bootId) &&
    origin.packages.join('\n') === packages
  return { device, known: new Map(known.filter(isOfNow).map(({ name, sha256 }) => [`/${name}`, sha256])) }
}

/** Where a device is mounted now; null where it is not. */
export async function observeMountPoint(dom0: Dom0, uuid: string): Promise<string | null> {
  const { devices } = await dom0.devices()
  return devices.find((device) => device.uuid === uuid)?.mountPoint ?? null
}
