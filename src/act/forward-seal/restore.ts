import { isForwardUnfinished } from '../../core/decide/forward-outcome.ts'
import { forwardRecordOf } from '../../core/seal/forward-of-session.ts'
import { type ForwardRecord, isSameSet } from '../../core/seal/forward-record.ts'
import type { Restored, RestoreResult } from '../../core/seal/restore-result.ts'
import type { Session } from '../../core/session/checkpoint.ts'
import type { Host } from '../../host/host.ts'
import { valueOrNull } from '../../host/host.ts'
import { observeMountPoint } from '../../observe/device/session-device.ts'
import type { Dom0 } from '../../observe/dom0/dom0.ts'
import { makeFailure } from '../../tables/failures.ts'
import { clearUnfinished } from './clear.ts'
import { exchangePlace, lookAtFiles, type Place, placeOf, readDigests } from './copies.ts'

/**
 * - restored: the old files are in place again
 * - was-old: they never left
 * - superseded: AEM sealed since, or the predicted state runs: nothing to go back to
 * - absent: the device is not plugged in
 * - stuck: the forward files are in place and the old ones are not there, or it cannot be read which files are
 */
/**
 * Takes a forward seal back, on both copies: which files lie where is told by digest, so it may be run at any time and
 * again. The device comes first: the other order could leave a device that no copy in dom0 explains.
 *
 * @param keep the machine runs the predicted state: only what lies beside is removed
 * @throws Failure when a write fails
 */
export async function restoreForwardSeal(
  host: Host,
  record: ForwardRecord,
  mountPoint: string | null,
  keep: boolean,
): Promise<RestoreResult> {
  const { label, uuid, tpmId } = record
  const dom0 = placeOf('dom0', '/var/lib', tpmId, label)
  const media = await host.openMedia({ uuid, mountPoint, write: true })
  if (media.state !== 'seen') {
    const isForward = isSameSet(await readDigests(host, dom0.live), record.next)
    // Without the device dom0 stays as the device is; only what is not in use is removed.
    if (isForward && !keep) return { device: 'absent', dom0: 'absent' }
    return { device: 'absent', dom0: await restorePlace(host, dom0, record, keep) }
  }
  try {
    const device = placeOf('device', `${media.value.root}/aem`, tpmId, label)
    return {
      device: await restorePlace(host, device, record, keep),
      dom0: await restorePlace(host, dom0, record, keep),
    }
  } finally {
    await media.value.close()
  }
}

async function restorePlace(
  host: Host,
  place: Place,
  record: ForwardRecord,
  keep: boolean,
): Promise<Restored> {
  const previous = record.previous[place.name]
  // What cannot be read may be the forward files: the old ones stay beside them.
  const look = await lookAtFiles(host, place.live)
  if (look.state === 'unknown') return 'stuck'
  const live = valueOrNull(look)
  const isForward = isSameSet(live, record.next)
  if (isForward && !keep) {
    if (!isSameSet(await readDigests(host, place.aside), previous)) return 'stuck'
    await exchangePlace(host, place)
  }
  await host.removeFile(place.aside)
  if (isForward) return keep ? 'superseded' : 'restored'
  return isSameSet(live, previous) ? 'was-old' : 'superseded'
}

/** Do the selected registers hold what the record sealed to? Then the forward files are the right ones now. */
export async function isPredictedState(dom0: Dom0, record: ForwardRecord): Promise<boolean> {
  const values = (await dom0.tpm()).pcrs[record.bank] ?? {}
  return Object.entries(record.values).every(([index, value]) => values[Number(index)] === value)
}

/**
 * What `cancel` does with a session's forward seal: puts the old files back, or, where the predicted state runs already,
 * or the seal of another device is complete and in the device ledger, removes what lies beside.
 * @returns null where the session made none
 * @throws Failure `forward-restore-failed`; the session must stay open then
 */
export async function restoreSession(dom0: Dom0, session: Session): Promise<RestoreResult | null> {
  const { host } = dom0
  const record = forwardRecordOf(session)
  if (record === null) {
    await removeBegun(dom0, session)
    return null
  }
  const keep = isForwardKept(session) || (await isPredictedState(dom0, record))
  const result = await restoreForwardSeal(host, record, await observeMountPoint(dom0, record.uuid), keep)
  if (result.dom0 === 'absent') {
    const what = `${record.label} is not plugged in and carries it`
    throw makeFailure('forward-restore-failed', { what })
  }
  if (result.device === 'stuck' || result.dom0 === 'stuck')
    throw makeFailure('forward-restore-failed', {
      what: 'the sealed files cannot be read, or the old ones are not beside the new ones',
    })
  return result
}

/** A complete forward seal of another device, which outlives its session. */
export function isForwardKept({ device, step }: Pick<Session, 'device' | 'step'>): boolean {
  return device !== null && step === 'keep-forward'
}

/** New files that lie beside the old ones after a seal that ended before anything was switched. */
export async function removeBegun(dom0: Dom0, session: Session): Promise<void> {
  if (session.step === 'forward-seal' || isForwardUnfinished(session)) await clearUnfinished(dom0, session)
}

/**
 * The old files that a forward seal kept in dom0, once nobody goes back to them. On the device AEM's next seal removes
 * theirs with all of aem/tpms.
 */
export async function removeLeftovers(host: Host, record: ForwardRecord | null): Promise<void> {
  if (record === null) return
  await host.removeFile(placeOf('dom0', '/var/lib', record.tpmId, record.label).aside)
}
