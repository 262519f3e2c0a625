import { Failure } from '../../core/failure.ts'
import { forwardRecordOf } from '../../core/seal/forward-of-session.ts'
import type { ForwardRecord } from '../../core/seal/forward-record.ts'
import type { Session } from '../../core/session/checkpoint.ts'
import type { Host } from '../../host/host.ts'
import { valueOrNull } from '../../host/host.ts'
import { makeFailure } from '../../tables/failures.ts'
import type { SessionStore } from '../session-store.ts'
import { type Place, placeOf, readDigests } from './copies.ts'
import { assertHolds, digestSet, prepareAside, type SealedSet, switchPlaces } from './exchange.ts'
import { makeForwardSet } from './make-set.ts'
import type { ForwardPlan } from './plan.ts'
import { restoreForwardSeal } from './restore.ts'

/** What a seal needs of the step that makes it. */
export type SealContext = {
  readonly host: Host
  readonly store: SessionStore
  readonly session: Session
}

/**
 * Makes the forward seal and switches both copies to it; what lies on the device is read again at the end.
 * @throws Failure; `takeBack` undoes what was done by then
 */
export async function sealForward(context: SealContext, plan: ForwardPlan): Promise<ForwardRecord> {
  const { host } = context
  const set = await makeForwardSet(host, plan)
  const record = await withPlaces(host, plan, true, async (dom0, device) => {
    const previous = {
      dom0: await readDigests(host, dom0.live),
      device: await readDigests(host, device.live),
    }
    if (previous.dom0 === null || previous.device === null)
      throw makeFailure('forward-seal-failed', { what: 'the present sealed files could not be read' })
    for (const place of [dom0, device]) await prepareAside(host, place, set)
    const made = toRecord(plan, set, { dom0: [...previous.dom0], device: [...previous.device] })
    // From here on a switch may have happened: whoever comes after a power cut must be able to tell.
    await saveRecord(context, made)
    await switchPlaces(host, dom0, device)
    return made
  })
  // A stick was unmounted in between, so this comes from its disk.
  await withPlaces(host, plan, false, async (dom0, device) => {
    for (const place of [dom0, device]) await assertHolds(host, place.live, record.next)
  })
  return record
}

/**
 * Undoes a forward seal that failed on the way.
 * @returns null when both copies are as before; else the record that says what to restore
 * @throws Failure where the session cannot be read
 */
export async function takeBack(context: SealContext, plan: ForwardPlan): Promise<ForwardRecord | null> {
  const { host, store } = context
  // Where it cannot be read, nothing says what was switched: the old files stay beside the new ones.
  const saved = forwardRecordOf(await store.load())
  try {
    if (saved === null) {
      await withPlaces(host, plan, true, async (dom0, device) => {
        for (const place of [dom0, device]) await host.removeFile(place.aside)
      })
      return null
    }
    const { device, dom0 } = await restoreForwardSeal(host, saved, plan.device.mountPoint, false)
    const isBack = (state: string): boolean => state === 'restored' || state === 'was-old'
    return isBack(device) && isBack(dom0) ? null : saved
  } catch (error) {
    // The device may be gone: without a record nothing was switched, and what lies beside is harmless.
    if (error instanceof Failure) return saved
    throw error
  }
}

async function withPlaces<T>(
  host: Host,
  plan: ForwardPlan,
  write: boolean,
  work: (dom0: Place, device: Place) => Promise<T>,
): Promise<T> {
  const { uuid, tpmId, device } = plan
  const media = valueOrNull(await host.openMedia({ uuid, mountPoint: device.mountPoint, write }))
  if (media === null)
    throw makeFailure('forward-seal-failed', { what: `the device ${device.label} could not be opened` })
  try {
    return await work(
      placeOf('dom0', '/var/lib', tpmId, device.label),
      placeOf('device', `${media.root}/aem`, tpmId, device.label),
    )
  } finally {
    await media.close()
  }
}

function toRecord(plan: ForwardPlan, set: SealedSet, previous: ForwardRecord['previous']): ForwardRecord {
  const { uuid, tpmId, bank, values } = plan
  const { label } = plan.device
  return { label, uuid, tpmId, bank, values: { ...values }, next: [...digestSet(set)], previous }
}

async function saveRecord({ store, session }: SealContext, record: ForwardRecord): Promise<void> {
  await store.save({ ...session, findings: { ...session.findings, 'forward-seal': { record } } })
}
