import { type Check, checkMediaCurrent, combineChecks } from '../../core/decide/verify-copies.ts'
import { checkLuksPcr, checkSecrets, type SecretFacts } from '../../core/decide/verify-unseal.ts'
import { PCR } from '../../core/launch/pcr.ts'
import { checkFreshness, checkTakenSlot, findSlots, listUsableSlots } from '../../core/seal/freshness.ts'
import type { Host } from '../../host/host.ts'
import { valueOrNull } from '../../host/host.ts'
import { type AemDevice, explainForeignDevice, findBootedDevice, openDevice } from '../device/devices.ts'
import { observeLuksPcr } from '../device/luks-headers.ts'
import type { Dom0 } from '../dom0/dom0.ts'
import { observeFlavour } from '../dom0/status.ts'
import { registersOf } from '../launch/pcrs.ts'
import { observePlainSecrets } from '../seal/plain-secrets.ts'
import { observeSealedCopy, type SealedCopy } from '../seal/sealed-copy.ts'
import { type Common, checkBinding, checkNothing, type KeptOfDevices } from './copy-binding.ts'
import { makeSecretTrial } from './trial-unseal.ts'

export type DeviceVerification = {
  readonly device: string
  /** Did this boot come from it? A copy that is for another boot can only be compared, not tried. */
  readonly booted: boolean
  readonly present: boolean | null
  readonly ok: boolean | null
  readonly checks: readonly Check[]
}

/** The initrd of another entry extends nothing into PCR 13. */
const MEASURED_NO_HEADERS =
  'this boot measured no headers: it came from no AEM entry (no aem.uuid on the kernel command line)'

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
      luks:
        machine.bootedWithAem === false
          ? { why: MEASURED_NO_HEADERS }
          : await observeLuksPcr(host, machine.kernelCommandLine, bank),
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
        device.isForeign
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

/** A foreign device under the label of one of dom0's own devices: there is one answer for a label, and it is not about this one. */
function isShadow(device: AemDevice, all: readonly AemDevice[]): boolean {
  const twins = all.filter(({ label }) => label === device.label)
  return device.isForeign === true && twins.some(({ isForeign }) => !isForeign)
}

function unopened({ label, present }: AemDevice): DeviceVerification {
  return {
    device: label,
    booted: false,
    present,
    ok: null,
    checks: [{ id: 'media-current', ok: null, detail: explainForeignDevice(label) }],
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
        registersOf(tpm)[PCR.luksHeaders] ?? null,
        'value' in common.luks ? common.luks.value : null,
        'why' in common.luks ? common.luks.why : null,
        selection.ok !== true || common.selected?.includes(PCR.luksHeaders) !== false,
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
