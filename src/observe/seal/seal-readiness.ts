import {
  checkDevice,
  checkLabel,
  checkRegisters,
  checkSpace,
  type GateCheck,
  parseMountOptions,
} from '../../core/decide/readiness.ts'
import type { Host } from '../../host/host.ts'
import { valueOrNull } from '../../host/host.ts'
import { type AemDevice, findBootedDevice, openDevice } from '../device/devices.ts'
import type { Dom0 } from '../dom0/dom0.ts'
import { isMeasured, listBadPcrs, registersOf, type TpmFacts } from '../launch/pcrs.ts'
import { readTextOrNull } from '../read-text.ts'
import { observeTpm2Lockout } from '../verify/trial-unseal-tpm2.ts'
import { openTpm12Trial } from '../verify/trial-unseal-tpm12.ts'
import { observeSrkPassword } from './srk-password.ts'

export type SealReadiness = {
  /** The device to seal for, when it is plugged in or known. */
  readonly device: AemDevice | null
  readonly checks: readonly GateCheck[]
}

/**
 * What every reseal needs, looked at before the first write: AEM overwrites the freshness slot in the TPM before it
 * touches the device, so whatever fails later leaves the device behind.
 * @param other the device to seal for; null: the one this boot came from
 */
export async function observeSealReadiness(
  dom0: Dom0,
  tpm: TpmFacts,
  selected: readonly number[] | null,
  other: AemDevice | null = null,
): Promise<SealReadiness> {
  const { host } = dom0
  const machine = await dom0.machine()
  const { devices } = await dom0.devices()
  const device = other ?? findBootedDevice(devices, machine.aemUuid)
  const sameLabel = devices.filter((one) => one.label === device?.label)
  const mounts = await readTextOrNull(host, '/proc/mounts')
  const options =
    mounts === null || device?.mountPoint == null ? null : parseMountOptions(mounts, device.mountPoint)
  return {
    device,
    checks: [
      ...checkDevice(device, sameLabel, options?.includes('ro') ?? null),
      // The suffix of this boot says nothing of another device.
      ...(other === null ? checkLabel(device, (await dom0.seal()).cachedSuffix) : []),
      await checkDeviceSpace(host, device),
      checkPcrs(tpm, selected),
      ...(await checkLockout(dom0, tpm.version, device)),
      await checkAemIdle(dom0),
    ],
  }
}

async function checkDeviceSpace(host: Host, device: AemDevice | null): Promise<GateCheck> {
  const id = 'device-space'
  const opened = device ? await openDevice(host, device) : null
  const media = opened === null ? null : valueOrNull(opened)
  const why = opened?.state === 'unknown' ? `: ${opened.why}` : ''
  if (media === null) return { id, ok: null, detail: `the device could not be looked at${why}` }
  try {
    return checkSpace(id, device?.label ?? '', valueOrNull(await host.freeBytes(media.root)))
  } finally {
    await media.close()
  }
}

function checkPcrs(tpm: TpmFacts, selected: readonly number[] | null): GateCheck {
  const values = registersOf(tpm)
  return checkRegisters({
    measured: isMeasured(tpm),
    selected,
    unread: (selected ?? []).filter((index) => values[index] === undefined),
    bad: listBadPcrs(tpm, selected ?? []),
  })
}

async function checkLockout(
  dom0: Dom0,
  version: TpmFacts['version'],
  device: AemDevice | null,
): Promise<readonly GateCheck[]> {
  const { host } = dom0
  if (version !== '1.2' && version !== '2.0') return []
  const look = version === '2.0' ? { why: await observeTpm2Lockout(host) } : await tryTpm12(dom0, device)
  if (look === null) return []
  return [{ id: 'tpm-not-locked', ok: look.why === null, detail: look.why ?? 'the TPM is not in lockout' }]
}

/**
 * No stock tool reads the count of TPM 1.2, so the password that AEM's seal will give is tried: the seal overwrites the
 * freshness slot before it finds out. What the sealed file is bound to does not matter here.
 * @returns null where no password is cached: then nothing is tried, and AEM's seal is not run either
 */
async function tryTpm12(dom0: Dom0, device: AemDevice | null): Promise<{ why: string | null } | null> {
  const { host } = dom0
  if ((await observeSrkPassword(host)).state !== 'known') return null
  const tpmId = await dom0.tpmId()
  if (tpmId === null || device === null)
    return { why: 'there is no sealed file to try the SRK password with' }
  const trial = await openTpm12Trial(host)
  if ('why' in trial) return trial
  try {
    const tried = await trial.tryBlob(`/var/lib/tpms/${tpmId}/${device.label}/secret.fre.sealed2`)
    return { why: tried.state === 'untried' ? tried.why : null }
  } finally {
    await trial.close()
  }
}

/** AEM is not in the middle of a seal: it may be writing to a device, or waiting for one. */
export async function checkAemIdle(dom0: Dom0): Promise<GateCheck> {
  const { unit } = await dom0.seal()
  const id = 'aem-not-waiting'
  if (unit === null) return { id, ok: null, detail: 'systemd did not say whether AEM is sealing' }
  const isWaiting = unit.activeState === 'activating'
  return {
    id,
    ok: !isWaiting,
    detail: isWaiting
      ? 'AEM is still sealing or waits for a device: plug it in, or unplug it when AEM asks for its removal'
      : 'AEM is not in the middle of a seal',
  }
}
