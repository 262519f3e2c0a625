import type { Outcomes } from '../../core/decide/outcomes.ts'
import { isReady } from '../../core/decide/readiness.ts'
import { isNothingToDo } from '../../core/decide/refresh.ts'
import {
  describeNoTarget,
  describeRefreshCheck,
  explainRefresh,
  refreshQuestion,
} from '../../messages/refresh.ts'
import { observeRefresh } from '../../observe/device/refresh-needs.ts'
import { observeTarget } from '../../observe/device/session-device.ts'
import type { Step } from '../step.ts'

/** What a device lacks of the installed packages, and whether it is to be copied now. */
export const checkRefresh: Step<'check-refresh'> = async ({ dom0, ui, options, session, store }) => {
  const device = await observeTarget(dom0, session)
  if (device === null || device.mountPoint === '/boot') {
    const label = device?.label ?? session.device
    return { outcome: 'blocked', facts: { device: label }, message: describeNoTarget(label, device !== null) }
  }
  const observed = await ui.progress('comparing the device with the installed packages', async () =>
    observeRefresh(dom0, device, await store.loadDevices()),
  )
  const { plan, checks, before, changedFiles } = observed
  const facts = { device: device.label, plan, checks, files: before.checks, changedFiles }
  const report = (outcome: Outcomes['check-refresh']) => ({
    outcome,
    facts,
    message: describeRefreshCheck(outcome, observed, options.dryRun),
  })
  if (before.isOpen && isNothingToDo(plan)) return report('current')
  if (!isReady(checks)) return report('blocked')
  ui.say(explainRefresh(observed))
  if (!options.canAsk) return report('kept')
  const isWanted = (await ui.ask<'yes' | 'no'>(refreshQuestion(device.label))) === 'yes'
  // A rehearsal on a real machine writes nothing, so the device stays as it is.
  return report(isWanted && !options.dryRun ? 'refresh' : 'kept')
}
