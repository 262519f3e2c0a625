import { forwardRecordOf, isSameSet } from '../../core/seal/forward-record.ts'
import type { Session } from '../../core/session/checkpoint.ts'
import type { Host } from '../../host/host.ts'
import { observeTpmId } from '../../observe/sealed.ts'
import { observeTarget } from '../../observe/target.ts'
import { exchangePlace, type Place, placeOf, readDigests } from './places.ts'

/** Where half-written files lay and were removed; `isInForce`: the device carries the new ones, and all stays as it is. */
export type Cleared = {
  readonly dom0: boolean
  readonly device: boolean
  readonly isInForce: boolean
}

/**
 * Puts away what a forward seal left that did not come to its end. The device's one exchange decides whether it came into
 * force: after it nothing is removed, as `cancel` needs the old files; before it the new files are removed in both homes, and
 * dom0 is made to be as the device again.
 *
 * @throws Failure when a write fails
 */
export async function clearUnfinished(host: Host, session: Session): Promise<Cleared> {
  const record = forwardRecordOf(session)
  const target = await observeTarget(host, session)
  const label = record?.label ?? target?.label ?? session.device
  const tpmId = record?.tpmId ?? (await observeTpmId(host))
  if (label === null || tpmId === null) return { dom0: false, device: false, isInForce: false }
  const dom0 = placeOf('dom0', '/var/lib', tpmId, label)
  const uuid = record?.uuid ?? target?.uuid ?? null
  const media =
    uuid === null ? null : await host.openMedia({ uuid, mountPoint: target?.mountPoint ?? null, write: true })
  if (media?.state !== 'seen') {
    // What lies on the device is not known: dom0 stays as it is where a switch had begun.
    const removed = record === null && (await removeAside(host, dom0))
    return { dom0: removed, device: false, isInForce: false }
  }
  try {
    const device = placeOf('device', `${media.value.root}/aem`, tpmId, label)
    if (record !== null) {
      if (isSameSet(await readDigests(host, device.live), record.next))
        return { dom0: false, device: false, isInForce: true }
      const isAhead = isSameSet(await readDigests(host, dom0.live), record.next)
      const isKept = isSameSet(await readDigests(host, dom0.aside), record.previous.dom0)
      if (isAhead && isKept) await exchangePlace(host, dom0)
    }
    return {
      device: await removeAside(host, device),
      dom0: await removeAside(host, dom0),
      isInForce: false,
    }
  } finally {
    await media.value.close()
  }
}

async function removeAside(host: Host, { aside }: Place): Promise<boolean> {
  const isThere = (await host.listDirectory(aside)).state === 'seen'
  if (isThere) await host.removeFile(aside)
  return isThere
}
