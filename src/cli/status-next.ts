import { decideDeviceWork } from '../core/decide/device-work.ts'
import type { ProtectionReason } from '../core/decide/protection-state.ts'
import { isUpdatedBefore } from '../core/mark/updates.ts'
import { findSlotSharers } from '../core/seal/freshness.ts'
import type { Session } from '../core/session/checkpoint.ts'
import type { LedgerLook } from '../core/session/device-ledger.ts'
import type { StatusFacts } from '../observe/dom0/status.ts'
import { nextOfReason, type ProtectionAnswer } from './protection.ts'

/** What to run next, and why: what protects comes first, then what the devices need, then what could not be told. */
export function decideNext(
  facts: StatusFacts,
  { state, reasons }: ProtectionAnswer,
  session: Session | null,
  look: LedgerLook,
): { command: string | null; why: string } {
  const ofSession = (code: ProtectionReason) =>
    session === null ? undefined : reasons.find((reason) => reason.code === code)
  // Nobody is sent into an entry with changed files.
  const changedFiles = reasons.find(({ code }) => code === 'boot-files-changed')
  const first =
    ofSession('preparation-outdated') ??
    ofSession('session-open') ??
    (reasons.some(({ code }) => code === 'not-aem-boot') ? changedFiles : undefined) ??
    reasons.find(({ code }) => !isMinor(code))
  if (first !== undefined) return nextOfReason(first)
  const device = decideDeviceNext(facts, look)
  if (device !== null) return device
  const minor = reasons.find(({ code }) => isMinor(code))
  if (minor !== undefined) return nextOfReason(minor)
  if (isUpdatedBefore(facts.updates, facts.machine.bootId))
    return {
      command: 'aem-reseal verify',
      why: 'measured files were updated before this boot, and nobody confirmed it',
    }
  return state === 'protected'
    ? { command: null, why: 'nothing to do: the running Xen is the installed one' }
    : { command: null, why: 'see why AEM may not protect' }
}

/** Reasons that wait until what the devices need is done: `verify` helps, or a look was not complete. */
const MINOR: readonly ProtectionReason[] = [
  'copy-missing',
  'copy-differs',
  'sealed-to-other',
  'slot-taken',
  'device-absent',
  'device-unknown',
  'seal-unknown',
  'luks-header-unknown',
  'next-entry-unknown',
  'restart-unknown',
  'launch-log-unread',
]

function isMinor(code: ProtectionReason): boolean {
  return MINOR.includes(code)
}

/** What the devices need that has nothing to do with this boot. */
function decideDeviceNext(
  facts: StatusFacts,
  look: LedgerLook,
): { command: string | null; why: string } | null {
  const [stale] = facts.devices.filter((device) => device.bootFiles === 'stale' && !device.isForeign)
  if (stale !== undefined) {
    return {
      command: `aem-reseal devices refresh ${stale.label}`,
      why: `${stale.label} carries other boot files than the installed packages`,
    }
  }
  const [shared] = facts.devices.filter(({ label }) => findSlotSharers(label, facts.devices).length > 0)
  // On TPM 2.0 no repair helps: the row of the device says what its slot means.
  if (shared !== undefined && facts.tpm.version === '1.2') {
    return {
      command: 'aem-reseal devices repair-slots',
      why: `${shared.label} and ${findSlotSharers(shared.label, facts.devices).join(', ')} have the same freshness slot`,
    }
  }
  const left = facts.devices.filter(
    (device) => !device.isForeign && decideDeviceWork(look, device)?.state === 'to-do',
  )
  if (left.length === 0) return null
  return {
    command: null,
    why: `still to do, as said above: ${left.map((device) => device.label).join(', ')}`,
  }
}
