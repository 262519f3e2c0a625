import { findLedgerDevice, type LedgerLook } from '../session/device-ledger.ts'
import type { GateCheck } from './readiness.ts'

/** A stick with the right label may still be another stick: dom0 must know it, by its UUID where it was seen before. */
export function checkKnownDevice(
  look: LedgerLook,
  label: string,
  device: { readonly uuid: string | null; readonly isForeign?: boolean } | null,
): GateCheck {
  const id = 'device-known'
  const known = look.state === 'read' ? findLedgerDevice(look.ledger, label).uuid : null
  if (device === null) return { id, ok: false, detail: `there is no device ${label}` }
  if (device.isForeign)
    return { id, ok: false, detail: `dom0 knows no device like this ${label}: it may be anybody's` }
  if (known !== null && known !== device.uuid)
    return { id, ok: false, detail: `this is another device labelled ${label}: its UUID was ${known}` }
  return {
    id,
    ok: true,
    detail:
      known === null ? `${label} is one of dom0's labels` : `${label} is the device that was seen before`,
  }
}
