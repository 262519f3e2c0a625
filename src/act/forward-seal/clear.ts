import { forwardRecordOf } from '../../core/seal/forward-of-session.ts'
import { type ForwardRecord, isSameSet } from '../../core/seal/forward-record.ts'
import type { Cleared } from '../../core/seal/restore-result.ts'
import type { Session } from '../../core/session/checkpoint.ts'
import type { Host } from '../../host/host.ts'
import { valueOrNull } from '../../host/host.ts'
import { observeMountPoint, observeTarget } from '../../observe/device/session-device.ts'
import type { Dom0 } from '../../observe/dom0/dom0.ts'
import { exchangePlace, lookAtFiles, type Place, placeOf } from './copies.ts'

/** Where half-written files lay and were removed; `isInForce`: the device carries the new ones, and all stays as it is. */
/**
 * Puts away what a forward seal left that did not come to its end. The device's one exchange decides whether it came into
 * force: after it nothing is removed, as `cancel` needs the old files; before it the new files are removed in both homes, and
 * dom0 is made to be as the device again.
 *
 * @throws Failure when a write fails
 */
export async function clearUnfinished(dom0: Dom0, session: Session): Promise<Cleared> {
  const { host } = dom0
  const record = forwardRecordOf(session)
  const target = await observeTarget(dom0, session)
  const label = record?.label ?? target?.label ?? session.device
  const tpmId = record?.tpmId ?? (await dom0.tpmId())
  if (label === null || tpmId === null) return { dom0: false, device: false, isInForce: false }
  const kept = placeOf('dom0', '/var/lib', tpmId, label)
  const uuid = record?.uuid ?? target?.uuid ?? null
  // Of that very device: the session may be about another one than the record by now.
  const media =
    uuid === null
      ? null
      : await host.openMedia({ uuid, mountPoint: await observeMountPoint(dom0, uuid), write: true })
  if (media?.state !== 'seen') {
    // What lies on the device is not known: dom0 stays as it is where a switch had begun.
    const removed = record === null && (await removeAside(host, kept))
    return { dom0: removed, device: false, isInForce: record === null ? false : null }
  }
  try {
    const device = placeOf('device', `${media.value.root}/aem`, tpmId, label)
    if (record !== null) {
      const own = await lookAtFiles(host, device.live)
      const isInForce = isSameSet(valueOrNull(own), record.next)
      if (isInForce) return { dom0: false, device: false, isInForce }
      if (own.state === 'unknown' || !(await putBack(host, record, kept)))
        return { dom0: false, device: false, isInForce: null }
    }
    return {
      device: await removeAside(host, device),
      dom0: await removeAside(host, kept),
      isInForce: false,
    }
  } finally {
    await media.value.close()
  }
}

/**
 * Makes dom0 as the device is, which was not switched.
 * @returns false where it cannot be told which files lie where: then the old ones stay beside them
 */
async function putBack(host: Host, record: ForwardRecord, kept: Place): Promise<boolean> {
  const inDom0 = await lookAtFiles(host, kept.live)
  const beside = await lookAtFiles(host, kept.aside)
  if (inDom0.state === 'unknown' || beside.state === 'unknown') return false
  const isAhead = isSameSet(valueOrNull(inDom0), record.next)
  if (isAhead && isSameSet(valueOrNull(beside), record.previous.dom0)) await exchangePlace(host, kept)
  return true
}

async function removeAside(host: Host, { aside }: Place): Promise<boolean> {
  const isThere = (await host.listDirectory(aside)).state === 'seen'
  if (isThere) await host.removeFile(aside)
  return isThere
}
