import {
  type Check,
  checkMediaCurrent,
  checkPolicy,
  checkSelection,
  combineChecks,
  isBoundTo,
} from '../core/decide/verify-copies.ts'
import { checkTpm12Bindings, type Tpm12Bindings } from '../core/decide/verify-tpm12.ts'
import { checkLuksPcr, checkSecrets } from '../core/decide/verify-unseal.ts'
import { PCR } from '../core/launch/pcr.ts'
import type { LuksHeaders } from '../core/launch/predict-luks.ts'
import type { ForwardValuesOf } from '../core/seal/forward-record.ts'
import { checkFreshness, listUsableSlots, type SlotOwner } from '../core/seal/freshness.ts'
import { parseTpm12Blob, type Tpm12Binding } from '../core/seal/tpm12-blob.ts'
import type { Host } from '../host/host.ts'
import { valueOrNull } from '../host/host.ts'
import { type AemDevice, explainStranger, observeDevices, openDevice } from './devices.ts'
import { observeLuksPcr } from './luks-headers.ts'
import { observeMachine } from './machine.ts'
import { observePlainSecrets } from './plain-secrets.ts'
import { readTextOrNull } from './read.ts'
import { observeSealedCopy, observeTpmId, type SealedCopy } from './sealed.ts'
import { observeSelection } from './selection.ts'
import { observeTpm, type TpmFacts } from './tpm.ts'
import { makeSecretTrial, type SecretTrial } from './verify-trial.ts'

export type DeviceVerification = {
  readonly device: string
  readonly ok: boolean | null
  readonly checks: readonly Check[]
}

type Common = {
  readonly tpm: TpmFacts
  readonly tpmId: string | null
  readonly selected: readonly number[] | null
  readonly luks: LuksHeaders
  readonly owners: readonly SlotOwner[]
  readonly trial: SecretTrial
  readonly forward: ForwardValuesOf
}

/** Checks of every AEM device's own sealed copy; a device that is not plugged in comes back with nulls. */
export async function observeVerification(
  host: Host,
  suffix: string | null,
  forward: ForwardValuesOf = () => null,
): Promise<readonly DeviceVerification[]> {
  const machine = await observeMachine(host)
  const all = await observeDevices(host, machine)
  const tpm = await observeTpm(host)
  const bank = tpm.bank === 'sha1' ? 'sha1' : 'sha256'
  const trial = await makeSecretTrial(host, tpm.version)
  try {
    const common: Common = {
      tpm,
      tpmId: await observeTpmId(host),
      selected: await observeSelection(host),
      luks: await observeLuksPcr(host, machine.kernelCommandLine, bank),
      owners: all.map(({ label, slot }) => ({ label, slot })),
      trial,
      forward,
    }
    const results: DeviceVerification[] = []
    const wanted = all.filter((one) => suffix === null || one.suffix === suffix)
    for (const device of wanted.filter((one) => !isShadow(one, wanted)))
      results.push(device.isStranger ? unopened(device) : await verifyDevice(host, device, common))
    return results
  } finally {
    await trial.close()
  }
}

/** A stranger under the label of one of dom0's own devices: there is one answer for a label, and it is not about this one. */
function isShadow(device: AemDevice, all: readonly AemDevice[]): boolean {
  const twins = all.filter(({ label }) => label === device.label)
  return device.isStranger === true && twins.some(({ isStranger }) => !isStranger)
}

function unopened({ label }: AemDevice): DeviceVerification {
  return {
    device: label,
    ok: null,
    checks: [{ id: 'media-current', ok: null, detail: explainStranger(label) }],
  }
}

async function verifyDevice(host: Host, device: AemDevice, common: Common): Promise<DeviceVerification> {
  const { tpm, tpmId } = common
  const dom0 = tpmId === null ? null : await observeSealedCopy(host, '/var/lib', tpmId, device.label)
  const opened = tpmId === null ? null : await openDevice(host, device)
  const media = opened === null ? null : valueOrNull(opened)
  try {
    const own =
      media && tpmId ? await observeSealedCopy(host, `${media.root}/aem`, tpmId, device.label) : null
    const copies = checkMediaCurrent(own?.files ?? null, dom0?.files ?? null)
    const unread = opened?.state === 'unknown' ? `it could not be looked at: ${opened.why}` : null
    const detail = device.present === false ? `${device.label} is not plugged in` : unread
    const absent = detail === null ? copies : { ...copies, detail }
    const binding =
      tpm.version === '1.2'
        ? await checkBlobs(host, own, common, device.label)
        : await checkBinding(host, own, common, device.label)
    const checks: Check[] = [
      absent,
      ...binding.checks,
      ...(await checkContents(host, device, own, binding.isForward ? AFTER_RESTART : null, common)),
      checkLuksPcr(
        valuesOf(tpm)[PCR.luksHeaders] ?? null,
        'value' in common.luks ? common.luks.value : null,
        'why' in common.luks ? common.luks.why : null,
      ),
    ]
    return { device: device.label, ok: combineChecks(checks), checks }
  } finally {
    await media?.close()
  }
}

function valuesOf(tpm: TpmFacts): Readonly<Record<number, string>> {
  return tpm.bank === null ? {} : (tpm.pcrs[tpm.bank] ?? {})
}

const AFTER_RESTART = 'sealed forward: the TPM releases it only after the restart'

async function checkBinding(
  host: Host,
  own: SealedCopy | null,
  { selected, tpm, forward: forwardOf }: Common,
  label: string,
): Promise<{ readonly checks: readonly Check[]; readonly isForward: boolean }> {
  const keyPub = own ? valueOrNull(await host.readFile(`${own.directory}/key.pub`)) : null
  const forward = forwardOf(label)
  const policy = checkPolicy(keyPub, selected, valuesOf(tpm), forward)
  const isForward = policy.ok !== true && isBoundTo(keyPub, selected, forward)
  return { checks: [checkSelection(own?.keyPcrs ?? null, selected), policy], isForward }
}

/** TPM 1.2 has no key.*: each blob carries its own registers. */
async function checkBlobs(
  host: Host,
  own: SealedCopy | null,
  { selected, tpm, forward }: Common,
  label: string,
): Promise<Tpm12Bindings> {
  const names = (own?.files ?? []).map(({ name }) => name).filter((name) => name.endsWith('.sealed2'))
  const blobs: { name: string; binding: Tpm12Binding | null }[] = []
  for (const name of names) {
    const text = await readTextOrNull(host, `${own?.directory}/${name}`)
    blobs.push({ name, binding: text === null ? null : parseTpm12Blob(text) })
  }
  return checkTpm12Bindings(own ? blobs : null, selected, valuesOf(tpm), forward(label))
}

async function checkContents(
  host: Host,
  device: AemDevice,
  own: SealedCopy | null,
  skip: string | null,
  common: Common,
): Promise<readonly Check[]> {
  const plain = await observePlainSecrets(host, device.label)
  const { secrets, tokenDigest, nv } = await common.trial.trySecrets(own, plain, skip)
  const usable = listUsableSlots(common.tpm.version)
  return [...checkSecrets(secrets), checkFreshness(tokenDigest, nv, device.label, common.owners, usable)]
}
