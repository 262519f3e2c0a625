import type { Answer } from '../contract/schemas.ts'
import type { SelectionLook } from '../core/aem/seal-selection.ts'
import { listChangedFiles } from '../core/decide/changed-files.ts'
import {
  type BootedWork,
  decideDeviceWork,
  decideSealedFor,
  listSharedRegisters,
} from '../core/decide/device-work.ts'
import type { Preparedness } from '../core/decide/preparedness.ts'
import { isForwardSpent } from '../core/decide/slot-tokens.ts'
import { isUpdatedInBoot } from '../core/mark/updates.ts'
import { findSlotSharers } from '../core/seal/freshness.ts'
import type { Session } from '../core/session/checkpoint.ts'
import { findLedgerDevice, type LedgerLook } from '../core/session/device-ledger.ts'
import type { HeldNote } from '../core/session/held-note.ts'
import { findBootedDevice } from '../observe/device/devices.ts'
import type { DeviceStatus } from '../observe/dom0/device-status.ts'
import type { ProtectionLook } from '../observe/dom0/protection-state.ts'
import type { StatusFacts } from '../observe/dom0/status.ts'
import type { BootCheck } from '../observe/launch/boot-check.ts'
import { registersOf } from '../observe/launch/pcrs.ts'
import { toProtectionAnswer } from './protection.ts'
import { decideNext } from './status-next.ts'
import { toNoticeAnswer, toUpdatesAnswer } from './updates.ts'

export type StatusAnswer = Answer<'status'>

/** The contract's JSON of `status`. */
export function toStatusAnswer(
  facts: StatusFacts,
  protectionLook: ProtectionLook,
  session: Session | null,
  held: HeldNote | null,
  look: LedgerLook,
  boot: BootCheck | null,
  prepared: Preparedness | null = null,
): StatusAnswer {
  const { machine, tpm, aem, installedXen } = facts
  const protection = toProtectionAnswer(protectionLook, facts, { session, held, boot })
  return {
    qubes: { release: machine.release },
    protection,
    aem: {
      installed: aem.installed,
      version: aem.version,
      flavour: aem.flavour,
      tpm: tpm.version,
      selectedPcrs: aem.selectedPcrs ?? [],
      selection: toSelectionAnswer(aem.selection),
      badPcrs: facts.badPcrs,
      bootedWithAem: machine.bootedWithAem,
      measured: protectionLook.measured,
      devices: toDeviceAnswers(facts, look, session),
    },
    xen: {
      running: { version: machine.xen.version, buildId: machine.xen.buildId },
      installed: { evr: installedXen.evr, buildId: installedXen.buildId },
      pendingRestart: facts.pendingRestart,
    },
    session:
      session === null
        ? null
        : {
            id: session.id,
            flow: session.flow,
            step: session.step,
            since: session.since,
            protection: session.protection,
            // Only until the restart, and where something was prepared.
            ...(prepared === null ? {} : { prepared }),
          },
    held: held === null ? null : { at: held.at, why: held.why },
    deviceList: toDeviceListAnswer(look),
    sinceApproved: boot,
    malformedTrustedKeys: facts.malformedTrustedKeys,
    trustedKeysUnread: facts.trustedKeysUnread,
    updates: toUpdatesAnswer(facts.updates, machine.bootId),
    notice: toNoticeAnswer(facts.updates, {
      bootId: machine.bootId,
      session,
      isOutdated: prepared?.state === 'outdated',
      reasons: protectionLook.reasons,
    }),
    next: decideNext(facts, protection, session, look),
  }
}

function toSelectionAnswer(look: SelectionLook): StatusAnswer['aem']['selection'] {
  return {
    state: look.state,
    line: 'line' in look ? look.line : null,
    text: 'text' in look ? look.text : null,
    reason: 'reason' in look ? look.reason : null,
  }
}

/** The contract's elements of `devices`. */
export function toDeviceAnswers(
  facts: StatusFacts,
  look: LedgerLook,
  session: Session | null,
): readonly DeviceAnswer[] {
  return facts.devices.map((device) => toDeviceAnswer(device, facts, look, session))
}

/** The contract's `deviceList`. */
export function toDeviceListAnswer(look: LedgerLook): StatusAnswer['deviceList'] {
  return {
    state: look.state,
    detail: 'detail' in look ? look.detail : null,
    approvedAt: look.state === 'read' ? (look.ledger.approved?.at ?? null) : null,
  }
}

function toDeviceAnswer(
  device: DeviceStatus,
  facts: StatusFacts,
  look: LedgerLook,
  session: Session | null,
): DeviceAnswer {
  const { suffix, label, uuid, slot, present, bootFiles, sealed, binding, tokenSha256 } = device
  const known = device.isForeign !== true
  const { machine, tpm, aem, devices } = facts
  const isBooted = findBootedDevice(devices, machine.aemUuid)?.label === label
  const changedFiles = listChangedFiles(device.otherFiles, look, label)
  const verified = look.state === 'read' ? findLedgerDevice(look.ledger, label).verified : null
  return {
    suffix,
    label,
    uuid,
    known,
    slot,
    present,
    bootFiles,
    changedFiles,
    sealed,
    sealedFor: decideSealedFor({
      sealed,
      binding,
      isBooted,
      tokenSha256,
      verified,
      present: registersOf(tpm),
      shared: listSharedRegisters(aem.selectedPcrs ?? [], aem.flavour),
    }),
    lastVerified: verified && {
      at: verified.at,
      bootId: verified.bootId,
      inThisBoot: verified.bootId === null ? null : verified.bootId === machine.bootId,
    },
    sharesSlotWith: findSlotSharers(label, devices),
    work: known
      ? decideDeviceWork(look, {
          label,
          present,
          bootFiles,
          isChanged: changedFiles.length > 0,
          copies: device.copies,
          booted: isBooted ? bootedWorkOf(facts, session) : null,
          isForwardSpent: isForwardSpent(look, label, devices, tpm.version),
        })
      : null,
  }
}

function bootedWorkOf(
  { machine, pendingRestart, updates }: StatusFacts,
  session: Session | null,
): BootedWork {
  const isPending = pendingRestart === true || isUpdatedInBoot(updates, machine.bootId)
  return { bootId: machine.bootId, hasSession: session !== null, isPending }
}

export type DeviceAnswer = StatusAnswer['aem']['devices'][number]
