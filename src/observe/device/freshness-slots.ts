import { createHash } from 'node:crypto'
import { findSlots, listUsableSlots } from '../../core/seal/freshness.ts'
import type { SlotDevice } from '../../core/seal/slot-repair.ts'
import type { Host } from '../../host/host.ts'
import { valueOrNull } from '../../host/host.ts'
import type { Dom0 } from '../dom0/dom0.ts'
import type { TpmFacts } from '../launch/pcrs.ts'
import { plainSecretPath } from '../seal/plain-secrets.ts'
import { openTpm2Trial } from '../verify/trial-unseal-tpm2.ts'
import { openTpm12Trial } from '../verify/trial-unseal-tpm12.ts'
import { findBootedDevice } from './devices.ts'

export type Slots = {
  readonly devices: readonly SlotDevice[]
  /** All devices could be listed: there are no others. */
  readonly isComplete: boolean
  /** Those in which AEM finds a token on this TPM. */
  readonly usable: readonly number[]
}

/** The freshness slot of every device; the TPM is asked only where two have the same. */
export async function observeSlots(dom0: Dom0): Promise<Slots> {
  const { host } = dom0
  const machine = await dom0.machine()
  const { devices: all, isComplete } = await dom0.devices()
  const devices = all.filter(({ isForeign }) => !isForeign)
  const booted = findBootedDevice(devices, machine.aemUuid)
  // Two sticks with one label have one slot file in dom0.
  const unique = devices.filter(({ label }, at) => devices.findIndex((one) => one.label === label) === at)
  const slots = unique.flatMap(({ slot }) => (slot === null ? [] : [slot]))
  const isShared = new Set(slots).size < slots.length
  const { version } = await dom0.tpm()
  const nv = isShared ? await readFreshness(host, version) : null
  const slotted = await Promise.all(
    unique.map(async ({ label, slot }) => ({
      label,
      slot,
      isBooted: label === booted?.label,
      holdsToken: nv === null || slot === null ? null : await holdsToken(host, label, slot, nv, version),
    })),
  )
  return { devices: slotted, isComplete, usable: listUsableSlots(version) }
}

async function readFreshness(host: Host, version: TpmFacts['version']): Promise<Uint8Array | null> {
  const trial = version === '1.2' ? await openTpm12Trial(host) : await openTpm2Trial(host)
  if ('why' in trial) return null
  try {
    return await trial.readFreshness()
  } finally {
    await trial.close()
  }
}

async function holdsToken(
  host: Host,
  label: string,
  slot: number,
  nv: Uint8Array,
  version: TpmFacts['version'],
): Promise<boolean | null> {
  const token = valueOrNull(await host.readFile(plainSecretPath(label, 'fre')))
  if (token === null) return null
  const digest = createHash(version === '1.2' ? 'sha1' : 'sha256')
    .update(token)
    .digest('hex')
  return findSlots(nv, digest).includes(slot)
}
