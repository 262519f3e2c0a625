import { listPredictedValues } from '../../core/decide/approved-state.ts'
import { Failure } from '../../core/failure.ts'
import { type ChainRow, listChainRows } from '../../core/launch/chain.ts'
import { listComponents } from '../../core/launch/components.ts'
import type { Session } from '../../core/session/checkpoint.ts'
import type { Dom0 } from '../dom0/dom0.ts'
import { observeEntries } from './launch.ts'

/** What this boot extended, register by register, compared with the session's record; null without a readable launch log. */
export async function observeChain(dom0: Dom0, session: Session): Promise<readonly ChainRow[] | null> {
  const { host } = dom0
  const { baseline } = session
  const log = await dom0.log()
  if (baseline === null || log === null || log instanceof Failure) return null
  const machine = await dom0.machine()
  const device = await dom0.booted()
  const { booted } = await observeEntries(host, device, machine, log)
  const { bank } = baseline
  return listChainRows({
    log,
    bank,
    now: listComponents(log, booted),
    before: baseline.components,
    selected: baseline.selectedPcrs,
    valuesBefore: byIndex(baseline.pcrs[bank] ?? {}),
    values: (await dom0.tpm()).pcrs[bank] ?? {},
    predicted: listPredictedValues(session.prediction, bank),
  })
}

function byIndex(values: Readonly<Record<string, string>>): Record<number, string> {
  return Object.fromEntries(Object.entries(values).map(([index, value]) => [Number(index), value]))
}
