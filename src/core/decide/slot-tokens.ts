import type { TpmLook } from '../aem/tpm.ts'
import { findSlotSharers, listUsableSlots, type SlotOwner } from '../seal/freshness.ts'
import { findLedgerDevice, type LedgerLook } from '../session/device-ledger.ts'

/** A device, as far as its place in the TPM goes. */
export type TokenOwner = SlotOwner & { readonly tokenSha256: string | null }

/**
 * Was the token of a device's forward seal overwritten since? Every boot with AEM's own seal renews the token of the device
 * booted, in the slot that this one may share. What is not known counts as no: then a missing secret is an alarm.
 */
export function isForwardSpent(
  look: LedgerLook,
  label: string,
  devices: readonly TokenOwner[],
  version: TpmLook,
): boolean {
  const forward = look.state === 'read' ? findLedgerDevice(look.ledger, label).forward : null
  if (forward === null) return false
  const sharers = [label, ...listSharers(label, devices, version)]
  return devices.some(
    (device) =>
      sharers.includes(device.label) &&
      device.tokenSha256 !== null &&
      forward.tokens[device.label] !== undefined &&
      forward.tokens[device.label] !== device.tokenSha256,
  )
}

/**
 * The devices that were sealed since this one was verified, in the slot that it shares with them. A forward seal takes none:
 * it has the token that lies there. Only in the boot of that verification does this say something, as each boot seals anew.
 */
export function listSlotTakers(
  look: LedgerLook,
  label: string,
  devices: readonly TokenOwner[],
  version: TpmLook,
): readonly string[] {
  const ledger = look.state === 'read' ? look.ledger : null
  const verified = ledger === null ? null : findLedgerDevice(ledger, label).verified
  if (ledger === null || verified === null) return []
  // What an older version wrote names no tokens.
  if (verified.tokens[label] === undefined) return []
  const sharers = listSharers(label, devices, version)
  const isForward = (device: TokenOwner): boolean =>
    findLedgerDevice(ledger, device.label).forward?.tokens[device.label] === device.tokenSha256
  return devices
    .filter(({ tokenSha256 }) => tokenSha256 !== null)
    .filter(
      (device) => sharers.includes(device.label) && verified.tokens[device.label] !== device.tokenSha256,
    )
    .filter((device) => !isForward(device))
    .map((device) => device.label)
}

/** The devices whose seal overwrites the token of this one. */
export function listSharers(
  label: string,
  devices: readonly SlotOwner[],
  version: TpmLook,
): readonly string[] {
  if (listUsableSlots(version).length > 1) return findSlotSharers(label, devices)
  return devices.filter((device) => device.label !== label).map((device) => device.label)
}
