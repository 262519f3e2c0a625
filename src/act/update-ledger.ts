/* Long: every change to the device ledger that a boot or a seal causes; what `cancel` keeps is given-up.ts. */

import type { UnsealAnswer } from '../core/aem/seal-outcome.ts'
import { listSharedRegisters, markDevicesLeft } from '../core/decide/device-work.ts'
import { listMeasuredPcrs } from '../core/launch/pcr.ts'
import type { ForwardRecord } from '../core/seal/forward-record.ts'
import { type ApprovedBoot, decideApproval } from '../core/session/approved-boot.ts'
import type { Session } from '../core/session/checkpoint.ts'
import {
  type ApprovedState,
  approveState,
  type DeviceLedger,
  emptyDeviceLedger,
  findLedgerDevice,
  type LedgerDevice,
  type LedgerLook,
  putLedgerDevice,
  type VerifiedState,
} from '../core/session/device-ledger.ts'
import { decideGround, type Ground, type GroundFacts } from '../core/vouch/ground.ts'
import type { Host } from '../host/host.ts'
import { AEM_DIR, type AemDevice, findBootedDevice } from '../observe/device/devices.ts'
import type { Dom0 } from '../observe/dom0/dom0.ts'
import { observeFlavour } from '../observe/dom0/status.ts'
import { type BootContents, observeBootContents } from '../observe/launch/approved-boot.ts'
import {
  observeBootedState,
  observePackageNames,
  observePackagesOfBoot,
} from '../observe/launch/booted-state.ts'
import { observeGround } from '../observe/launch/ground.ts'
import { type KnownFile, observeMeasuredInitramfs } from '../observe/launch/measured-initramfs.ts'
import { registersOf, type TpmFacts } from '../observe/launch/pcrs.ts'
import { observeSealedCopy } from '../observe/seal/sealed-copy.ts'
import type { DeviceVerification } from '../observe/verify/verify.ts'
import { clearUpdateMark } from './clear-update-mark.ts'
import type { SessionStore } from './session-store.ts'

/**
 * Remembers a verification, and the state the session approved, for later boots and sessions. Only a device that this
 * boot came from can be verified for good: in any other boot PCR 19 is another.
 *
 * @param isUnexplained what booted is accounted for by nothing: it is no approved boot, whatever its registers are
 * @returns the ledger as it is now, or why it could not be kept
 */
export async function rememberVerification(
  dom0: Dom0,
  store: SessionStore,
  results: readonly DeviceVerification[],
  approved: Session['approved'],
  isUnexplained = false,
): Promise<LedgerLook> {
  const { host } = dom0
  const machine = await dom0.machine()
  const devices = await observeOwnDevices(dom0)
  const booted = findBootedDevice(devices, machine.aemUuid)
  const at = host.now().toISOString()
  const selected = (await dom0.selectedPcrs()) ?? []
  const tpm = await dom0.tpm()
  const now = pick(registersOf(tpm), listMeasuredPcrs(selected, registersOf(tpm)))
  const isVerified = results.some(({ device, ok }) => device === booted?.label && ok === true)
  const verified: VerifiedState | null =
    booted !== null && isVerified
      ? {
          at,
          bootId: machine.bootId,
          registers: now,
          ...(await observeBootedState(dom0, booted, machine)),
          tokenSha256: await observeTokenDigest(dom0, booted.label),
          tokens: await observeTokens(dom0),
        }
      : null
  const { facts } = await observeGround(dom0, await store.loadDevices())
  const { unseal } = facts
  const isVouched = verified !== null && !isUnexplained && wasStateVouched(approved, facts)
  const flavour = await observeFlavour(host)
  const packages = (await observePackageNames(dom0))?.slice() ?? null
  const measured = isVouched ? await observeMeasuredInitramfs(dom0, selected) : []
  const madeOf = await observePackagesOfBoot(dom0, machine.bootTime)
  const state: ApprovedState | null = approved && {
    at: approved.at,
    bootId: approved.bootId,
    label: booted?.label ?? null,
    bank: bankOf(tpm),
    registers: pick(approved.pcrs, listMeasuredPcrs(selected, approved.pcrs)),
    shared: [...listSharedRegisters(selected, flavour)],
    packages,
    ...(approved.proof === undefined ? {} : { proof: approved.proof }),
  }
  const contents =
    booted === null || verified === null ? null : await observeBootContents(dom0, booted, machine, tpm)
  const boot = {
    at,
    bootId: machine.bootId,
    bootTime: machine.bootTime,
    bank: bankOf(tpm),
    registers: now,
  }
  const labels = await listLabels(host, devices)
  const look = await store.updateDevices((kept) => {
    const ledger =
      state === null ? kept : approveState(kept, { ...state, at: laterThan(state.at, newestIn(kept)) })
    if (booted === null || verified === null)
      return markDevicesLeft(ledger, labels ?? unite(ledger, devices), at)
    const before = findLedgerDevice(ledger, booted.label)
    const when = laterThan(at, ledger.approved?.at ?? null)
    const ground = decideGround({ ...facts, look: { state: 'read', ledger } })
    const chosen = isUnexplained
      ? before.approved
      : chooseApproved(before.approved, {
          boot: { ...boot, at: when },
          contents,
          ground,
          unseal,
          accepted: approved,
        })
    const own = putLedgerDevice(ledger, {
      ...before,
      uuid: booted.uuid,
      verified: { ...verified, ...(isUnexplained ? OTHER_BOOT : {}), at: when },
      approved: chosen,
      knownFiles: mergeMeasured(before, measured, madeOf),
      // What it was sealed forward to is what its boots are compared with, until one of them is approved.
      forward: chosen !== null && chosen.bootId === machine.bootId ? null : before.forward,
    })
    return markDevicesLeft(own, labels ?? unite(own, devices), at)
  }, emptyDeviceLedger(at))
  const ownBoot =
    booted === null || look.state !== 'read' ? null : findLedgerDevice(look.ledger, booted.label).approved
  // Where no boot was ever approved, one in which the TPM released the secret is believed, as `start` does.
  const isAccounted = ownBoot === null ? unseal === 'unsealed' : ownBoot.bootId === machine.bootId
  if (verified !== null && isAccounted) await clearUpdateMark(host, machine.bootId)
  return look
}

/** Copies that fit a boot which nobody can explain leave their device to do. */
const OTHER_BOOT = { isCurrent: false, why: 'what it booted then was not explained' } as const

function bankOf({ bank }: TpmFacts): ApprovedBoot['bank'] | null {
  return bank === 'sha1' || bank === 'sha256' ? bank : null
}

/** This boot where it is an approved one, else the one that was approved before. */
function chooseApproved(
  before: ApprovedBoot | null,
  verified: {
    readonly boot: Pick<ApprovedBoot, 'at' | 'bootId' | 'bootTime' | 'registers'> & {
      readonly bank: ApprovedBoot['bank'] | null
    }
    readonly contents: BootContents | null
    readonly ground: Ground
    readonly unseal: UnsealAnswer | null
    readonly accepted: Session['approved']
  },
): ApprovedBoot | null {
  const { boot, contents, ground, unseal, accepted } = verified
  const { bank } = boot
  if (bank === null || contents === null) return before
  const how = decideApproval({
    bootId: boot.bootId,
    unseal,
    registers: boot.registers,
    accepted,
    isAsApproved: ground.state === 'vouched' && ground.by === 'approved-state',
  })
  return how === null ? before : { ...boot, bank, how, ...contents }
}

/**
 * AEM's own seal makes any state verify, a blindly booted one too, and lets the boot after it show the secret. Only a change
 * that was accepted in this boot, or registers that were approved before, say that what was measured is the user's own; a
 * secret that was released where nothing had been approved says nothing of a file.
 */
function wasStateVouched(approved: Session['approved'], facts: GroundFacts): boolean {
  if (approved !== null && facts.bootId !== null && approved.bootId === facts.bootId) return true
  const ground = decideGround(facts)
  return ground.state === 'vouched' && (ground.by === 'accepted' || ground.by === 'approved-state')
}

/** Takes what is known of a verification back: its next seal goes elsewhere. */
export async function forgetVerification(
  dom0: Dom0,
  store: SessionStore,
  changed: readonly string[],
): Promise<LedgerLook> {
  const { host } = dom0
  const at = host.now().toISOString()
  const devices = await observeOwnDevices(dom0)
  const labels = await listLabels(host, devices)
  return store.updateDevices((kept) => {
    const without = changed.reduce(
      (ledger, label) => putLedgerDevice(ledger, { ...findLedgerDevice(ledger, label), verified: null }),
      kept,
    )
    return markDevicesLeft(without, labels ?? unite(without, devices), at)
  }, emptyDeviceLedger(at))
}

/** A stick of somebody else is never something left to do. */
export async function observeOwnDevices(dom0: Dom0): Promise<readonly AemDevice[]> {
  return (await dom0.devices()).devices.filter(({ isForeign }) => !isForeign)
}

/** All AEM devices, once each; null where dom0's own list could not be read, so that none is forgotten by mistake. */
async function listLabels(host: Host, devices: readonly AemDevice[]): Promise<readonly string[] | null> {
  const isListed = (await host.listDirectory(AEM_DIR)).state === 'seen'
  return isListed ? [...new Set(devices.map(({ label }) => label))] : null
}

function unite(ledger: DeviceLedger, devices: readonly AemDevice[]): readonly string[] {
  return [...new Set([...ledger.devices, ...devices].map(({ label }) => label))]
}

export function pick(
  values: Readonly<Record<number, string>>,
  indices: readonly number[],
): Record<string, string> {
  return Object.fromEntries(
    indices.flatMap((index) => (values[index] === undefined ? [] : [[String(index), values[index]]])),
  )
}

async function observeTokenDigest(dom0: Dom0, label: string): Promise<string | null> {
  const { host } = dom0
  const tpmId = await dom0.tpmId()
  const copy = tpmId === null ? null : await observeSealedCopy(host, '/var/lib', tpmId, label)
  return copy?.files.find(({ name }) => name === 'secret.fre.sealed2')?.sha256 ?? null
}

async function observeTokens(dom0: Dom0): Promise<Record<string, string>> {
  const tokens: Record<string, string> = {}
  for (const { label } of await observeOwnDevices(dom0)) {
    const token = await observeTokenDigest(dom0, label)
    if (token !== null) tokens[label] = token
  }
  return tokens
}

/** A file takes the place of the one that was known by its name. */
function mergeKnown(
  { knownFiles }: LedgerDevice,
  files: LedgerDevice['knownFiles'],
): LedgerDevice['knownFiles'] {
  return [...knownFiles.filter(({ name }) => !files.some((one) => one.name === name)), ...files]
}

/**
 * What an approved boot measured. Of which packages a known image was made stays as it was known: a later boot says nothing of
 * that. Of a new one this boot does.
 *
 * @param packages that were installed when this boot began; null: one of them came since
 */
function mergeMeasured(
  own: LedgerDevice,
  measured: readonly KnownFile[],
  packages: readonly string[] | null,
): LedgerDevice['knownFiles'] {
  const files = measured.map(({ name, sha256 }) => {
    const before = own.knownFiles.find((one) => one.name === name && one.sha256 === sha256)
    const madeOf = before === undefined ? packages : (before.origin?.packages ?? null)
    return { name, sha256, ...(madeOf === null ? {} : { origin: { madeIn: null, packages: [...madeOf] } }) }
  })
  return mergeKnown(own, files)
}

/** Keeps what this program made on a device. An earlier verification says nothing of its next boot any more. */
export async function rememberMade(
  dom0: Dom0,
  store: SessionStore,
  device: AemDevice,
  made: readonly KnownFile[],
): Promise<LedgerLook> {
  const { bootId } = await dom0.machine()
  const packages = await observePackageNames(dom0)
  const isKnown = bootId !== null && packages !== null
  const origin = isKnown ? { origin: { madeIn: bootId, packages: [...packages] } } : {}
  return store.updateDevices((kept) => {
    const own = findLedgerDevice(kept, device.label)
    // It was sealed for the previous boot files.
    return putLedgerDevice(kept, {
      ...own,
      uuid: device.uuid,
      knownFiles: mergeKnown(
        own,
        made.map((file) => ({ ...file, ...origin })),
      ),
      verified: null,
      forward: own.forward && { ...own.forward, isReplaced: true },
    })
  }, emptyDeviceLedger(dom0.host.now().toISOString()))
}

/** Keeps that a device was sealed forward for its own next boot, and to which registers. */
export async function rememberForward(
  dom0: Dom0,
  store: SessionStore,
  record: ForwardRecord,
): Promise<LedgerLook> {
  const { host } = dom0
  const at = host.now().toISOString()
  const bank = bankOf(await dom0.tpm())
  const tokens = await observeTokens(dom0)
  return store.updateDevices((kept) => {
    const own = findLedgerDevice(kept, record.label)
    const when = laterThan(laterThan(at, own.approved?.at ?? null), kept.approved?.at ?? null)
    const forward = { at: when, bank, registers: record.values, tokens }
    return putLedgerDevice(kept, { ...own, uuid: record.uuid, forward })
  }, emptyDeviceLedger(at))
}

/** What is newer is told by these times, and the clock may have been set back since. @param before ISO 8601 */
export function laterThan(at: string, before: string | null): string {
  return before === null || at > before ? at : new Date(Date.parse(before) + 1).toISOString()
}

/** When anything in the ledger was approved last: the clock may have been set back, and what is approved now comes after all that. */
export function newestIn({ approved, devices }: DeviceLedger): string | null {
  const all = [approved?.at, ...devices.flatMap((one) => [one.approved?.at, one.forward?.at])]
  return all.reduce<string | null>(
    (last, one) => (one !== undefined && (last === null || one > last) ? one : last),
    null,
  )
}
