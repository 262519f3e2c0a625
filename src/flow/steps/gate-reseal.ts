import type { Host } from '../../host/host.ts'
import { describeResealGate } from '../../messages/after-restart.ts'
import { findBootedDevice, observeDevices } from '../../observe/devices.ts'
import { observeMachine } from '../../observe/machine.ts'
import { observeSealState } from '../../observe/seal-state.ts'
import { observeStatus } from '../../observe/status.ts'
import type { Step } from '../step.ts'

export type GateCheck = { readonly id: string; readonly ok: boolean | null; readonly detail: string }

/**
 * Without the cache of this boot AEM's seal fails after it renewed the freshness slot, unless it has a terminal to ask
 * on (seen with anti-evil-maid 4.2.0 on TPM 1.2).
 */

/** AEM writes the freshness slot in the TPM before it touches the device: what would fail must fail here. */
export const gateReseal: Step<'gate-reseal'> = async ({ host }) => {
  const checks = await observeResealGate(host)
  const outcome = checks.every((check) => check.ok === true) ? 'ready' : 'blocked'
  return { outcome, facts: { checks }, message: describeResealGate(outcome, checks) }
}

async function observeResealGate(host: Host): Promise<readonly GateCheck[]> {
  const machine = await observeMachine(host)
  const device = findBootedDevice(await observeDevices(host, machine), machine.aemUuid)
  const state = await observeSealState(host)
  const status = await observeStatus(host)
  const label = device?.label ?? 'the AEM device'
  const isWaiting = state.unit?.activeState === 'activating'
  return [
    {
      id: 'device-present',
      ok: device?.present ?? (device === null ? false : null),
      detail: device ? `${label} (UUID ${device.uuid})` : 'the device this boot came from is not plugged in',
    },
    {
      id: 'device-writable',
      ok: device?.isReadOnly == null ? null : !device.isReadOnly,
      detail: device?.isReadOnly ? `${label} is read-only: flip its switch` : `${label} can be written`,
    },
    {
      id: 'pcrs-sane',
      ok: status.measured === null ? null : status.measured && status.badPcrs.length === 0,
      detail:
        status.badPcrs.length > 0
          ? `never extended: ${status.badPcrs.join(', ')}`
          : 'no selected PCR is 00 or FF',
    },
    {
      id: 'seal-cache',
      ok: state.cachedSuffix !== null,
      detail:
        state.cachedSuffix !== null
          ? "this boot's suffix is cached, as AEM's seal needs it"
          : `gone (TPM 1.2 removes it after a seal): run \`sudo anti-evil-maid-seal ${device?.suffix ?? 'SUFFIX'}\` yourself, in a terminal`,
    },
    {
      id: 'aem-not-waiting',
      ok: state.unit === null ? null : !isWaiting,
      detail: isWaiting ? 'AEM is still sealing or waits for a device' : 'AEM is not in the middle of a seal',
    },
  ]
}
