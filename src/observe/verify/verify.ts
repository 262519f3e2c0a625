import { listSharedRegisters } from '../../core/decide/device-work.ts'
import { findOwnBoot } from '../../core/decide/own-boot.ts'
import {
  type BindingVerdict,
  bindingOfBlobs,
  bindingOfKey,
  judgeBinding,
  type SealedBinding,
} from '../../core/decide/verify-binding.ts'
import {
  type Check,
  checkMediaCurrent,
  checkSelection,
  combineChecks,
} from '../../core/decide/verify-copies.ts'
import { checkTpm12Selection, type NamedBlob } from '../../core/decide/verify-tpm12.ts'
import { checkLuksPcr, checkSecrets, type SecretFacts } from '../../core/decide/verify-unseal.ts'
import type { Flavour } from '../../core/launch/boot-entry.ts'
import { PCR } from '../../core/launch/pcr.ts'
import type { LuksHeaders } from '../../core/launch/predict-luks.ts'
import type { ForwardValuesOf } from '../../core/seal/forward-record.ts'
import {
  checkFreshness,
  checkTakenSlot,
  findSlots,
  listUsableSlots,
  type SlotOwner,
} from '../../core/seal/freshness.ts'
import { parseTpm12Blob } from '../../core/seal/tpm12-blob.ts'
import type { LedgerLook } from '../../core/session/device-ledger.ts'
import type { Host } from '../../host/host.ts'
import { valueOrNull } from '../../host/host.ts'
import { type AemDevice, explainStranger, findBootedDevice, openDevice } from '../device/devices.ts'
import { observeLuksPcr } from '../device/luks-headers.ts'
import type { Dom0 } from '../dom0/dom0.ts'
import { observeFlavour } from '../dom0/status.ts'
import type { TpmFacts } from '../launch/pcrs.ts'
import { readTextOrNull } from '../read-text.ts'
import { observePlainSecrets } from '../seal/plain-secrets.ts'
import { observeSealedCopy, type SealedCopy } from '../seal/sealed-copy.ts'
import { makeSecretTrial, type SecretTrial } from './trial-unseal.ts'

export type DeviceVerification = {
  readonly device: string
  /** Did this boot come from it? A copy that is for another boot can only be compared, not tried. */
  readonly booted: boolean
  readonly present: boolean | null
  readonly ok: boolean | null
  readonly checks: readonly Check[]
}

/** What is kept of sessions and earlier boots. */
export type KeptOfDevices = {
  readonly forward: ForwardValuesOf
  readonly look: LedgerLook
}

type Common = {
  readonly tpm: TpmFacts
  readonly tpmId: string | null
  readonly selected: readonly number[] | null
  readonly flavour: Flavour | null
  readonly luks: LuksHeaders
  readonly owners: readonly SlotOwner[]
  readonly trial: SecretTrial
  readonly kept: KeptOfDevices
  /** The device of this boot, where exactly one can be it. */
  readonly booted: AemDevice | null
  /** Freshness slots that hold the token of a device that was tried before, by its label. */
  readonly taken: Map<number, string>
}

const NOTHING_KEPT: KeptOfDevices = { forward: () => null, look: { state: 'absent' } }

/** Checks of every AEM device's own sealed copy; a device that is not plugged in comes back with nulls. */
export async function observeVerification(
  dom0: Dom0,
  suffix: string | null,
  kept: KeptOfDevices = NOTHING_KEPT,
): Promise<readonly DeviceVerification[]> {
  const { host } = dom0
  const machine = await dom0.machine()
  const all = (await dom0.devices()).devices
  const tpm = await dom0.tpm()
  const bank = tpm.bank === 'sha1' ? 'sha1' : 'sha256'
  const booted = findBootedDevice(all, machine.aemUuid)
  const trial = await makeSecretTrial(host, tpm.version)
  try {
    const common: Common = {
      tpm,
      tpmId: await dom0.tpmId(),
      selected: await dom0.selectedPcrs(),
      flavour: await observeFlavour(host),
      luks: await observeLuksPcr(host, machine.kernelCommandLine, bank),
      owners: all.map(({ label, slot }) => ({ label, slot })),
      trial,
      kept,
      booted,
      taken: new Map(),
    }
    const wanted = all.filter((one) => suffix === null || one.suffix === suffix)
    const results = new Map<AemDevice, DeviceVerification>()
    // The booted device goes first: where its token lies says whose slot another device has lost.
    for (const device of listToLookAt(wanted, booted))
      results.set(
        device,
        device.isStranger
          ? unopened(device)
          : await verifyDevice(host, device, isBootedFrom(device, machine.aemUuid), common),
      )
    return wanted.flatMap((device) => results.get(device) ?? [])
  } finally {
    await trial.close()
  }
}

function listToLookAt(wanted: readonly AemDevice[], booted: AemDevice | null): readonly AemDevice[] {
  const own = wanted.filter((one) => !isShadow(one, wanted))
  const others = own.filter((one) => one !== booted)
  return booted === null || own.length === 0 ? others : [booted, ...others]
}

/** By its UUID alone: of two with the same UUID either may be it. */
function isBootedFrom({ uuid }: AemDevice, aemUuid: string | null): boolean {
  return uuid !== null && uuid === aemUuid
}

/** A stranger under the label of one of dom0's own devices: there is one answer for a label, and it is not about this one. */
function isShadow(device: AemDevice, all: readonly AemDevice[]): boolean {
  const twins = all.filter(({ label }) => label === device.label)
  return device.isStranger === true && twins.some(({ isStranger }) => !isStranger)
}

function unopened({ label, present }: AemDevice): DeviceVerification {
  return {
    device: label,
    booted: false,
    present,
    ok: null,
    checks: [{ id: 'media-current', ok: null, detail: explainStranger(label) }],
  }
}

async function verifyDevice(
  host: Host,
  device: AemDevice,
  isBooted: boolean,
  common: Common,
): Promise<DeviceVerification> {
  const { tpm, tpmId } = common
  const dom0 = tpmId === null ? null : await observeSealedCopy(host, '/var/lib', tpmId, device.label)
  const opened = tpmId === null ? null : await openDevice(host, device)
  const media = opened === null ? null : valueOrNull(opened)
  try {
    const own =
      media && tpmId ? await observeSealedCopy(host, `${media.root}/aem`, tpmId, device.label) : null
    const copies = checkMediaCurrent(own?.files ?? null, dom0?.files ?? null)
    const unread = opened?.state === 'unknown' ? `it could not be looked at: ${opened.why}` : null
    const absent = device.present === false ? `${device.label} is not plugged in` : unread
    const { selection, policy, untried } =
      absent === null ? await checkBinding(host, own, device.label, isBooted, common) : checkNothing(absent)
    const isCopyOfDom0 = own !== null && dom0 !== null && copies.ok !== null ? copies.ok : null
    const checks: Check[] = [
      absent === null ? copies : { ...copies, detail: absent },
      selection,
      policy,
      ...(await checkContents(
        host,
        device,
        own,
        { untried: absent ?? untried, isBooted, isCopyOfDom0 },
        common,
      )),
      checkLuksPcr(
        valuesOf(tpm)[PCR.luksHeaders] ?? null,
        'value' in common.luks ? common.luks.value : null,
        'why' in common.luks ? common.luks.why : null,
      ),
    ]
    return {
      device: device.label,
      booted: isBooted,
      present: device.present,
      ok: combineChecks(checks),
      checks,
    }
  } finally {
    await media?.close()
  }
}

function valuesOf(tpm: TpmFacts): Readonly<Record<number, string>> {
  return tpm.bank === null ? {} : (tpm.pcrs[tpm.bank] ?? {})
}

type Bound = { readonly selection: Check; readonly policy: Check; readonly untried: string | null }

function checkNothing(why: string): Bound {
  return {
    selection: { id: 'selection', ok: null, detail: why },
    policy: { id: 'policy', ok: null, detail: why },
    untried: null,
  }
}

async function checkBinding(
  host: Host,
  own: SealedCopy | null,
  label: string,
  isBooted: boolean,
  common: Common,
): Promise<Bound> {
  const { selected, tpm } = common
  const isTpm12 = tpm.version === '1.2'
  const blobs = isTpm12 && own !== null ? await readBlobs(host, own) : null
  const selection = isTpm12
    ? checkTpm12Selection(blobs, selected)
    : checkSelection(own?.keyPcrs ?? null, selected)
  const keyPub = isTpm12 || own === null ? null : valueOrNull(await host.readFile(`${own.directory}/key.pub`))
  const sealed = isTpm12
    ? bindingOfBlobs((blobs ?? []).map(({ binding }) => binding))
    : bindingOfKey(keyPub, own?.keyPcrs?.pcrs ?? selected)
  const { check, untried } = judgeSealed(sealed, label, isBooted, common)
  return { selection, policy: check, untried }
}

function judgeSealed(
  sealed: SealedBinding | null,
  label: string,
  isBooted: boolean,
  { tpm, kept, booted, flavour }: Common,
): BindingVerdict {
  if (sealed === null) {
    const detail =
      tpm.version === '1.2' ? "the device's sealed files could not be read" : 'key.pub could not be read'
    return { check: { id: 'policy', ok: null, detail }, untried: null }
  }
  const present = valuesOf(tpm)
  const shared = listSharedRegisters(sealed.pcrs, flavour)
  return judgeBinding(sealed, {
    label,
    isBooted,
    bootedLabel: booted?.label ?? null,
    present,
    forward: kept.forward(label),
    own: findOwnBoot(kept.look, label, shared, present),
    shared,
  })
}

/** TPM 1.2 has no key.*: each blob carries its own registers. */
async function readBlobs(host: Host, { files, directory }: SealedCopy): Promise<readonly NamedBlob[]> {
  const names = files.map(({ name }) => name).filter((name) => name.endsWith('.sealed2'))
  const blobs: NamedBlob[] = []
  for (const name of names) {
    const text = await readTextOrNull(host, `${directory}/${name}`)
    blobs.push({ name, binding: text === null ? null : parseTpm12Blob(text) })
  }
  return blobs
}

type Trying = {
  /** Why the TPM is not asked; null: it is. */
  readonly untried: string | null
  readonly isBooted: boolean
  /** Are the device's sealed files those of dom0? null: not known. */
  readonly isCopyOfDom0: boolean | null
}

async function checkContents(
  host: Host,
  { label }: AemDevice,
  own: SealedCopy | null,
  { untried, isBooted, isCopyOfDom0 }: Trying,
  { trial, tpm, owners, taken }: Common,
): Promise<readonly Check[]> {
  const plain = await observePlainSecrets(host, label)
  const { secrets, tokenDigest, nv } = await trial.trySecrets(own, plain, untried)
  const token = secrets.find(({ kind }) => kind === 'fre')
  const usable = listUsableSlots(tpm.version)
  if (tokenDigest === null)
    return [...checkSecrets(secrets), checkTakenSlot(label, owners, isBooted ? new Map() : taken, usable)]
  const held = nv === null ? [] : findSlots(nv, tokenDigest)
  for (const slot of held) if (!taken.has(slot)) taken.set(slot, label)
  const isWhole = isWholeToken(token, isCopyOfDom0)
  return [...checkSecrets(secrets), checkFreshness(tokenDigest, nv, label, owners, usable, isWhole)]
}

/** Is the released token the one that was sealed? Against dom0's own, in plain where it keeps it, else sealed. null: not known. */
function isWholeToken(token: SecretFacts | undefined, isCopyOfDom0: boolean | null): boolean | null {
  if (token?.trial.state !== 'unsealed') return null
  if (token.plainSha256 != null) return token.trial.sha256 === token.plainSha256
  return isCopyOfDom0
}
