import { listExpectedRegisters } from '../../core/decide/approved-state.ts'
import {
  decideForwardOutcome,
  type ForwardFacts,
  type ForwardOutcome,
  isForwardDone,
  mayBeSealedSince,
} from '../../core/decide/forward-outcome.ts'
import { forwardRecordOf } from '../../core/seal/forward-of-session.ts'
import { type ForwardRecord, isSameSet } from '../../core/seal/forward-record.ts'
import type { Session } from '../../core/session/checkpoint.ts'
import { valueOrNull } from '../../host/host.ts'
import { openDevice } from '../device/devices.ts'
import type { Dom0 } from '../dom0/dom0.ts'
import { listLaterPackages } from '../dom0/later-packages.ts'
import { registersOf } from '../launch/pcrs.ts'
import { observeSealedCopy } from './sealed-copy.ts'

export type ObservedForward = {
  readonly outcome: ForwardOutcome
  /** Packages that came after the protecting step, with their versions. */
  readonly later: readonly string[]
  /** What lay sealed at this boot may be another seal, which AEM made since. */
  readonly mayBeSealedSince?: boolean
}

/** What became of the session's forward seal at this boot, as long as it is the first one after it. */
export async function observeForwardOutcome(dom0: Dom0, session: Session): Promise<ObservedForward> {
  const { bootId } = await dom0.machine()
  const record = forwardRecordOf(session)
  const isFirst = session.approved === null || (bootId !== null && session.approved.bootId === bootId)
  if (!isFirst || (session.protection !== 'forward-seal' && record === null))
    return { outcome: 'none', later: [] }
  const { journal } = await dom0.seal()
  const later = session.baseline === null ? [] : await listLaterPackages(dom0, session.baseline)
  const names = later.map(({ name, evr }) => `${name} ${evr}`)
  const facts: ForwardFacts = {
    isChosen: session.protection === 'forward-seal',
    isDone: isForwardDone(session),
    hasRecord: record !== null,
    device: record === null ? null : await observeLive(dom0, record),
    unseal: journal?.unseal ?? null,
    isPredicted: await isPredicted(dom0, session, record),
    later: names,
  }
  return {
    outcome: decideForwardOutcome(facts),
    later: names,
    mayBeSealedSince: mayBeSealedSince(facts),
  }
}

async function isPredicted(dom0: Dom0, session: Session, record: ForwardRecord | null): Promise<boolean> {
  const tpm = await dom0.tpm()
  const bank = record?.bank ?? session.baseline?.bank ?? null
  const now = registersOf({ bank, pcrs: tpm.pcrs })
  const wanted =
    record === null
      ? (listExpectedRegisters(session) ?? [])
      : Object.entries(record.values).map(([index, value]) => ({ index: Number(index), value }))
  return wanted.length > 0 && wanted.every(({ index, value }) => now[index] === value)
}

/** What AEM's initrd finds on the device now. */
async function observeLive(dom0: Dom0, record: ForwardRecord): Promise<ForwardFacts['device']> {
  const { host } = dom0
  const { label, uuid, tpmId, next, previous } = record
  const { devices } = await dom0.devices()
  const device = devices.find((one) => one.label === label && one.uuid === uuid) ?? null
  const media = device === null ? null : valueOrNull(await openDevice(host, device))
  if (media === null) return null
  try {
    const copy = await observeSealedCopy(host, `${media.root}/aem`, tpmId, label)
    if (copy === null) return null
    const files = copy.files.flatMap(({ name, sha256 }) => (sha256 === null ? [] : [{ name, sha256 }]))
    // A file that cannot be read may be any.
    if (files.length < copy.files.length) return null
    if (isSameSet(files, next)) return 'forward'
    return isSameSet(files, previous.device) ? 'previous' : 'other'
  } finally {
    await media.close()
  }
}
