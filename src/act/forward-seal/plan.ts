/* Long: the conditions of a forward seal, a function each, and the plan that needs them all. */

import type { SealBank, TpmVersion } from '../../core/aem/tpm.ts'
import { checkProven } from '../../core/decide/forward-device.ts'
import { checkKernel } from '../../core/decide/forward-kernel.ts'
import { checkKnownDevice } from '../../core/decide/known-device.ts'
import { checkSpace, type GateCheck } from '../../core/decide/readiness.ts'
import { decideForwardTarget } from '../../core/seal/forward-target.ts'
import type { Session } from '../../core/session/checkpoint.ts'
import type { LedgerLook } from '../../core/session/device-ledger.ts'
import type { Host } from '../../host/host.ts'
import { valueOrNull } from '../../host/host.ts'
import { type AemDevice, openDevice } from '../../observe/device/devices.ts'
import { observeTarget } from '../../observe/device/session-device.ts'
import type { Dom0 } from '../../observe/dom0/dom0.ts'
import { observeNewest } from '../../observe/dom0/packages.ts'
import { KERNEL_PACKAGES } from '../../observe/dom0/rpm-database.ts'
import { observeApproved } from '../../observe/launch/approved-state.ts'
import { registersOf } from '../../observe/launch/pcrs.ts'
import { observePlainSecrets } from '../../observe/seal/plain-secrets.ts'
import { observeSealReadiness } from '../../observe/seal/seal-readiness.ts'
import { isSealed, observeSealedCopy } from '../../observe/seal/sealed-copy.ts'
import { observeSrkPassword } from '../../observe/seal/srk-password.ts'
import { observeTpm2TriesLeft, openTpm2Trial } from '../../observe/verify/trial-unseal-tpm2.ts'
import { openTpm12Trial } from '../../observe/verify/trial-unseal-tpm12.ts'
import { findToken } from './find-token.ts'

/** Everything a forward seal is made from. */
export type ForwardPlan = {
  readonly device: AemDevice
  /** Label of the device whose freshness token is sealed: one that the TPM expects at the next boot. */
  readonly tokenLabel: string
  readonly uuid: string
  readonly tpmId: string
  readonly tpmVersion: TpmVersion
  readonly bank: SealBank
  readonly selected: readonly number[]
  readonly values: Readonly<Record<number, string>>
}

export type ForwardReadiness = { readonly checks: readonly GateCheck[]; readonly plan: ForwardPlan | null }

/**
 * All conditions of a forward seal, and the plan where they could be put together.
 * @param look the device ledger; it counts where the session is about another device than the one this boot came from
 */
export async function observeForwardReadiness(
  dom0: Dom0,
  session: Session,
  look: LedgerLook,
): Promise<ForwardReadiness> {
  const { host } = dom0
  const tpm = await dom0.tpm()
  const selected = await dom0.selectedPcrs()
  const other = session.device === null ? null : await observeTarget(dom0, session)
  // Without it the device of this boot would be looked at in its place.
  if (session.device !== null && other === null)
    return { checks: [checkKnownDevice(look, session.device, null)], plan: null }
  const { device, checks } = await observeSealReadiness(dom0, tpm, selected, other)
  const tpmId = await dom0.tpmId()
  const bank = tpm.bank === 'sha1' || tpm.bank === 'sha256' ? tpm.bank : null
  const present = registersOf({ bank, pcrs: tpm.pcrs })
  const target = decideForwardTarget(session.prediction, selected, bank, present)
  const machine = await dom0.machine()
  const booted = await dom0.booted()
  const token = await findToken(host, device, booted, tpm.version)
  const all: GateCheck[] = [
    ...checks,
    {
      id: 'prediction',
      ok: 'values' in target,
      detail:
        'values' in target
          ? `predicted: PCR ${Object.keys(target.values).join(', ')}`
          : target.problems.join('; '),
    },
    checkKernel(session.prediction, {
      running: machine.kernelRelease,
      newest: await observeNewestKernels(dom0),
      isOtherDevice: session.device !== null,
    }),
    ...(session.device === null
      ? [checkProven(look, { selected: selected ?? [], registers: present })].filter(
          (check) => check !== null,
        )
      : [
          checkKnownDevice(look, session.device, device),
          await observeApproved(dom0, look, 'values' in target ? target.values : {}),
        ]),
    await checkSecretsThere(host, device),
    ...(await checkCopies(host, device, tpmId)),
    checkSpace('dom0-space', 'dom0', valueOrNull(await host.freeBytes('/var/lib/tpms'))),
    await checkPassword(host, booted?.label ?? null, tpmId, tpm.version),
    ...(tpm.version === '2.0' ? [await checkTriesLeft(host)] : []),
    token.check,
  ]
  const { version } = tpm
  const isKnown = tpmId && bank && selected && (version === '1.2' || version === '2.0')
  if (!isKnown || !device?.uuid || !('values' in target) || token.label === null)
    return { checks: all, plan: null }
  return {
    checks: all,
    plan: {
      device,
      tokenLabel: token.label,
      uuid: device.uuid,
      tpmId,
      tpmVersion: version,
      bank,
      selected,
      values: target.values,
    },
  }
}

async function observeNewestKernels(dom0: Dom0): Promise<readonly string[]> {
  const newest = await Promise.all(KERNEL_PACKAGES.map((name) => observeNewest(dom0, name)))
  return newest.flatMap((kernel) => (kernel === null ? [] : [`${kernel.name} ${kernel.evr}`]))
}

async function checkSecretsThere(host: Host, device: AemDevice | null): Promise<GateCheck> {
  const found = device ? Object.keys(await observePlainSecrets(host, device.label)) : []
  const shown = found.filter((kind) => kind !== 'fre')
  const ok = found.includes('fre') && shown.length > 0
  return {
    id: 'secrets-in-dom0',
    ok,
    detail: ok
      ? `to be sealed: ${found.map((kind) => `secret.${kind}`).join(', ')}`
      : 'dom0 keeps no freshness token or no secret for this device: let AEM seal once first',
  }
}

/** Both homes of the sealed files are real directories with a sealed token: a link on a stick could lead anywhere. */
async function checkCopies(
  host: Host,
  device: AemDevice | null,
  tpmId: string | null,
): Promise<readonly GateCheck[]> {
  const media = device ? valueOrNull(await openDevice(host, device)) : null
  try {
    const label = device?.label ?? null
    const own = media === null ? null : `${media.root}/aem`
    const look = async (root: string | null): Promise<boolean | null> => {
      // On TPM 1.2 nothing names a device that is out: AEM's seal removed its suffix.
      if (root === null || tpmId === null || label === null) return null
      const parts = [root, `${root}/tpms`, `${root}/tpms/${tpmId}`, `${root}/tpms/${tpmId}/${label}`]
      // dom0's /var/lib is the system's own.
      for (const path of root === '/var/lib' ? parts.slice(3) : parts)
        if (valueOrNull(await host.statFile(path))?.kind !== 'directory') return false
      return isSealed(await observeSealedCopy(host, root, tpmId, label))
    }
    const [onDevice, inDom0] = [await look(own), await look('/var/lib')]
    const detail = (ok: boolean | null): string => {
      if (ok === null) return 'the sealed files could not be looked at'
      if (!ok) return 'not sealed before: let AEM seal once first'
      return 'sealed before; the old files are kept beside the new ones'
    }
    return [
      { id: 'device-sealed', ok: onDevice, detail: detail(onDevice) },
      { id: 'dom0-sealed', ok: inDom0, detail: detail(inDom0) },
    ]
  } finally {
    await media?.close()
  }
}

/**
 * On TPM 1.2 AEM removes the cached password after its seal: then, and for a typed password, the present sealed files
 * are tried; with none at hand by the well-known secret, as AEM's own tpm_z_srk does at every boot.
 * @param label of the device this boot came from: only its files can open now
 */
async function checkPassword(
  host: Host,
  label: string | null,
  tpmId: string | null,
  version: string | null,
): Promise<GateCheck> {
  const id = 'srk-password'
  const password = await observeSrkPassword(host)
  if (password.state === 'known' && !password.isTyped)
    return {
      id,
      ok: true,
      detail: password.bytes.length === 0 ? 'the SRK has no password' : 'cached by this boot',
    }
  const gone = 'the SRK password of this boot is not cached any more'
  if (tpmId === null || label === null || (version === '2.0' && password.state !== 'known'))
    return { id, ok: false, detail: `${gone}: restart once with the AEM entry, then try again` }
  const why = await trySrk(host, `/var/lib/tpms/${tpmId}/${label}`, version)
  return { id, ok: why === null, detail: why ?? 'the SRK takes the password, or needs none' }
}

async function checkTriesLeft(host: Host): Promise<GateCheck> {
  const id = 'tpm-tries-left'
  const password = await observeSrkPassword(host)
  const hasPassword = password.state === 'known' && password.bytes.length > 0
  const why = hasPassword ? await observeTpm2TriesLeft(host) : null
  const left = hasPassword ? 'the next boot can unseal' : 'no SRK password, so none are counted'
  return { id, ok: why === null, detail: why ?? left }
}

/** @returns null when the SRK opens the present sealed files, or why not */
async function trySrk(host: Host, directory: string, version: string | null): Promise<string | null> {
  const trial = version === '2.0' ? await openTpm2Trial(host) : await openTpm12Trial(host)
  if ('why' in trial) return trial.why
  try {
    if ('tryLoad' in trial) return await trial.tryLoad(directory)
    const tried = await trial.tryBlob(`${directory}/secret.fre.sealed2`)
    return tried.state === 'unsealed' ? null : tried.why
  } finally {
    await trial.close()
  }
}
