import { listChangedFiles } from '../../core/decide/changed-files.ts'
import type { Preparedness } from '../../core/decide/preparedness.ts'
import {
  decideProtectionState,
  type ProtectionReason,
  type ProtectionState,
} from '../../core/decide/protection-state.ts'
import { decideSealOutcome } from '../../core/decide/seal-outcome.ts'
import { listSlotTakers } from '../../core/decide/slot-tokens.ts'
import { Failure } from '../../core/failure.ts'
import type { LaunchLog } from '../../core/launch/launch-log.ts'
import { constantOf, groupConstants, PCR } from '../../core/launch/pcr.ts'
import { isUpdatedInBoot } from '../../core/mark/updates.ts'
import type { Session } from '../../core/session/checkpoint.ts'
import { findLedgerDevice, type LedgerLook } from '../../core/session/device-ledger.ts'
import type { HeldNote } from '../../core/session/held-note.ts'
import type { Host } from '../../host/host.ts'
import { findBootedDevice } from '../device/devices.ts'
import type { BootCheck } from '../launch/boot-check.ts'
import { type LaunchTraces, observeLaunchTraces } from '../launch/launch-traces.ts'
import type { LuksSinceBoot } from '../launch/luks-since-boot.ts'
import { registersOf } from '../launch/pcrs.ts'
import { SEAL_UNIT, type SealState } from '../seal/seal-unit.ts'
import type { DeviceStatus } from './device-status.ts'
import type { Dom0 } from './dom0.ts'
import type { StatusFacts } from './status.ts'

/** Whether AEM protects this machine, with what the words of its reasons need. */
export type ProtectionLook = {
  readonly state: ProtectionState
  readonly reasons: readonly ProtectionReason[]
  /** By PCR 17; null where dom0 sees no TPM and something says that this boot was launched. */
  readonly measured: boolean | null
  readonly traces: LaunchTraces | null
  /** Why no launch log could be read. */
  readonly logFailure: Failure | null
  readonly unreadPcrs: readonly number[]
  readonly booted: DeviceStatus | null
  /** Devices that were sealed since the one of this boot was verified in it, in the slot that they share. */
  readonly slotTakers: readonly string[]
  readonly seal: SealState
  /** Devices with a boot file that was changed. */
  readonly changedOn: readonly string[]
}

/** What was looked at already. */
export type Seen = {
  readonly status: StatusFacts
  readonly session: Session | null
  readonly look: LedgerLook
  readonly held: HeldNote | null
  readonly boot: BootCheck | null
  readonly seal: SealState
  readonly log: LaunchLog | Failure | null
  readonly prepared: Preparedness | null
  readonly luks: LuksSinceBoot | null
}

/** The launch log, where PCR 17 shows that there was a launch; else null, and nothing is asked. */
export async function observeLogOf(dom0: Dom0, status: StatusFacts): Promise<LaunchLog | Failure | null> {
  return isAemBoot(status) && status.measured === true ? dom0.log() : null
}

function isAemBoot({ aem, machine }: StatusFacts): boolean {
  return aem.installed === true && machine.bootedWithAem !== false
}

/** What protection rests on; where PCR 17 shows no launch, with what else tells of one. */
export async function observeProtection(host: Host, seen: Seen): Promise<ProtectionLook> {
  const { status, session, look, held, boot, seal, log, prepared, luks } = seen
  const { machine, tpm, aem } = status
  const isDoubtful = isAemBoot(status) && status.measured !== true
  const traces = isDoubtful ? await observeLaunchTraces(host) : null
  const values = registersOf(tpm)
  const unreadPcrs = (aem.selectedPcrs ?? []).filter((index) => values[index] === undefined)
  const booted = findBootedDevice(status.devices, status.machine.aemUuid)
  const changedOn = status.devices
    .filter(({ otherFiles, label }) => listChangedFiles(otherFiles, look, label).length > 0)
    .map(({ label }) => label)
  const isVerifiedNow = booted !== null && isVerifiedIn(booted, look, machine.bootId)
  const slotTakers = isVerifiedNow ? listTakers(booted.label, status, look) : []
  const hasLaunchTrace = traces?.xen === true || traces?.txt === true
  const decision = decideProtectionState({
    installed: aem.installed,
    bootedWithAem: machine.bootedWithAem,
    tpm: tpm.version,
    measured: status.measured,
    isClosed: constantOf(values[PCR.drtm] ?? '') === 'capped',
    hasTxtError: traces !== null && traces.txtError !== null,
    hasLaunchTrace,
    selection: aem.selection.state,
    selected: aem.selectedPcrs,
    unread: unreadPcrs,
    constants: status.badPcrs,
    isLogRead: log !== null && !(log instanceof Failure),
    seal: decideSealOutcome({
      journal: seal.journal,
      unit: seal.unit,
      // No earlier token is known here: that is what the copies are compared for.
      sealedInThisBoot: null,
      heldByDropIn: seal.unit?.dropIns.some((path) => path.includes(`${SEAL_UNIT}.d/`)) ?? false,
    }),
    unseal: seal.journal?.unseal ?? null,
    isHeld: held !== null,
    boot: boot?.state ?? null,
    isListRead: look.state === 'read' || look.state === 'absent',
    copies:
      booted === null
        ? null
        : { ...booted.copies, present: booted.present, isVerifiedNow, isSlotTaken: slotTakers.length > 0 },
    nextEntry: booted?.nextEntry ?? null,
    hasChangedFiles: changedOn.length > 0,
    luks,
    pendingRestart: status.pendingRestart,
    isUpdated: isUpdatedInBoot(status.updates, machine.bootId),
    hasSession: session !== null,
    isPreparationOutdated: prepared?.state === 'outdated',
  })
  return {
    ...decision,
    measured: tpm.version === 'none' && hasLaunchTrace ? null : status.measured,
    traces,
    logFailure: log instanceof Failure ? log : null,
    unreadPcrs,
    booted,
    slotTakers,
    seal,
    changedOn,
  }
}

function isVerifiedIn(
  { label, tokenSha256 }: DeviceStatus,
  look: LedgerLook,
  bootId: string | null,
): boolean {
  const verified = look.state === 'read' ? findLedgerDevice(look.ledger, label).verified : null
  return (
    verified !== null &&
    bootId !== null &&
    verified.bootId === bootId &&
    verified.tokenSha256 !== null &&
    verified.tokenSha256 === tokenSha256
  )
}

/** What a session that is open seals forward is in no ledger yet. */
function listTakers(label: string, { devices, tpm }: StatusFacts, look: LedgerLook): readonly string[] {
  const own = devices.filter(({ isForeign }) => !isForeign)
  const forward = own.filter(({ copies }) => copies.dom0.binding === 'forward').map((device) => device.label)
  return listSlotTakers(look, label, own, tpm.version).filter((taker) => !forward.includes(taker))
}

/** Selected registers that hold a public constant, by what it says. */
export function groupBadPcrs({ tpm, badPcrs }: StatusFacts): ReturnType<typeof groupConstants> {
  return groupConstants(tpm.pcrs[tpm.bank ?? 'sha256'] ?? {}, badPcrs)
}
