import {
  checkDevice,
  checkRegisters,
  checkSpace,
  type GateCheck,
  parseMountOptions,
} from '../core/decide/readiness.ts'
import type { Host } from '../host/host.ts'
import { valueOrNull } from '../host/host.ts'
import { type AemDevice, findBootedDevice, observeDevices, openDevice } from './devices.ts'
import { observeMachine } from './machine.ts'
import { readTextOrNull } from './read.ts'
import { observeSealState } from './seal-state.ts'
import { isMeasured, listBadPcrs, type TpmFacts } from './tpm.ts'
import { observeTpm2Lockout } from './tpm2-trial.ts'

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
  host: Host,
  tpm: TpmFacts,
  selected: readonly number[] | null,
  other: AemDevice | null = null,
): Promise<SealReadiness> {
  const machine = await observeMachine(host)
  const devices = await observeDevices(host, machine)
  const device = other ?? findBootedDevice(devices, machine.aemUuid)
  const sameLabel = devices.filter((one) => one.present === true && one.label === device?.label)
  const mounts = await readTextOrNull(host, '/proc/mounts')
  const options =
    mounts === null || device?.mountPoint == null ? null : parseMountOptions(mounts, device.mountPoint)
  return {
    device,
    checks: [
      ...checkDevice(device, sameLabel, options?.includes('ro') ?? null),
      await checkDeviceSpace(host, device),
      checkPcrs(tpm, selected),
      ...(tpm.version === '2.0' ? [await checkLockout(host)] : []),
      await checkAemIdle(host),
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
  const values = tpm.bank === null ? {} : (tpm.pcrs[tpm.bank] ?? {})
  return checkRegisters({
    measured: isMeasured(tpm),
    selected,
    unread: (selected ?? []).filter((index) => values[index] === undefined),
    bad: listBadPcrs(tpm, selected ?? []),
  })
}

async function checkLockout(host: Host): Promise<GateCheck> {
  const why = await observeTpm2Lockout(host)
  return { id: 'tpm-not-locked', ok: why === null, detail: why ?? 'the TPM is not in lockout' }
}

/** AEM is not in the middle of a seal: it may be writing to a device, or waiting for one. */
export async function checkAemIdle(host: Host): Promise<GateCheck> {
  const { unit } = await observeSealState(host)
  const isWaiting = unit?.activeState === 'activating'
  return {
    id: 'aem-not-waiting',
    ok: unit === null ? null : !isWaiting,
    detail: isWaiting
      ? 'AEM is still sealing or waits for a device: plug it in, or unplug it when AEM asks for its removal'
      : 'AEM is not in the middle of a seal',
  }
}
