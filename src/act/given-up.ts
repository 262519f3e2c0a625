import { listSharedRegisters } from '../core/decide/device-work.ts'
import { listMeasuredPcrs } from '../core/launch/pcr.ts'
import type { Session } from '../core/session/checkpoint.ts'
import {
  approveState,
  type DeviceLedger,
  emptyDeviceLedger,
  findKnownState,
  findLedgerDevice,
  putLedgerDevice,
} from '../core/session/device-ledger.ts'
import type { Dom0 } from '../observe/dom0/dom0.ts'
import { observeFlavour } from '../observe/dom0/status.ts'
import type { SessionStore } from './session-store.ts'
import { laterThan, newestIn, observeOwnDevices, pick } from './update-ledger.ts'

type Baseline = NonNullable<Session['baseline']>
type Approved = NonNullable<Session['approved']>

/** Of the device that the session began with. */
type Place = {
  readonly label: string | null
  readonly uuid: string | null
  readonly shared: readonly number[]
}

/**
 * Keeps what a session that is given up knew of its device: what a person accepted in it, where that is not in the ledger yet, or, after a
 * restart, what `start` believed on the first use. Without it AEM's own seal would make whatever booted since the state that is
 * believed next.
 */
export async function rememberGivenUp(dom0: Dom0, store: SessionStore, session: Session): Promise<void> {
  const { baseline, approved, expectation } = session
  const { host } = dom0
  if (baseline === null) return
  const { bootId } = await dom0.machine()
  if (approved === null && baseline.bootId === bootId) return
  const uuid = expectation?.deviceUuid ?? null
  const label = expectation?.deviceLabel ?? (await observeLabel(dom0, uuid))
  const shared = listSharedRegisters(baseline.selectedPcrs, await observeFlavour(host))
  await store.updateDevices((kept) => {
    const known = kept.devices.find((one) => one.uuid !== null && one.uuid === uuid)
    const place = { label: label ?? known?.label ?? null, uuid, shared }
    return approved === null
      ? keepBelieved(kept, place, baseline)
      : keepAccepted(kept, place, baseline, approved)
  }, emptyDeviceLedger(host.now().toISOString()))
}

/** What was installed in that boot is not known any more: nothing accounts for a change since. */
function keepAccepted(
  kept: DeviceLedger,
  { label, shared }: Place,
  { bank, selectedPcrs }: Baseline,
  { at, bootId, pcrs, proof }: Approved,
): DeviceLedger {
  if (kept.approved !== null && kept.approved.bootId === bootId) return kept
  return approveState(kept, {
    at: laterThan(at, newestIn(kept)),
    ...{ bootId, label, bank },
    registers: pick(pcrs, listMeasuredPcrs(selectedPcrs, pcrs)),
    shared: [...shared],
    packages: null,
    ...(proof === undefined ? {} : { proof }),
  })
}

function keepBelieved(
  kept: DeviceLedger,
  { label, uuid, shared }: Place,
  { takenAt, bootId, bank, pcrs, selectedPcrs, packages }: Baseline,
): DeviceLedger {
  if (label === null || findKnownState(kept, label) !== null) return kept
  const values = pcrs[bank] ?? {}
  const known = findLedgerDevice(kept, label)
  const believed = {
    at: takenAt,
    ...{ bootId, bank },
    registers: pick(values, listMeasuredPcrs(selectedPcrs, values)),
    shared: [...shared],
    packages: packages.map(({ name, evr }) => `${name} ${evr}`),
  }
  return putLedgerDevice(kept, { ...known, uuid: uuid ?? known.uuid, believed })
}

/** Of a session that an older program began: by the UUID. */
async function observeLabel(dom0: Dom0, uuid: string | null): Promise<string | null> {
  if (uuid === null) return null
  return (await observeOwnDevices(dom0)).find((one) => one.uuid === uuid)?.label ?? null
}
