import type { Outcomes } from '../../core/decide/outcomes.ts'
import { type GateCheck, isReady } from '../../core/decide/readiness.ts'
import { isNothingToDo } from '../../core/decide/refresh.ts'
import type { LedgerLook } from '../../core/session/device-ledger.ts'
import { decideGround, type GroundProblem } from '../../core/vouch/ground.ts'
import {
  describeNoTarget,
  describeRefreshCheck,
  explainRefresh,
  refreshQuestion,
} from '../../messages/refresh.ts'
import { observeRefresh } from '../../observe/device/refresh-needs.ts'
import { observeTarget } from '../../observe/device/session-device.ts'
import type { Dom0 } from '../../observe/dom0/dom0.ts'
import { observeGround } from '../../observe/launch/ground.ts'
import type { Step } from '../step.ts'

/** What a device lacks of the installed packages, and whether it is to be copied now. */
export const checkRefresh: Step<'check-refresh'> = async ({ dom0, ui, options, session, store }) => {
  const device = await observeTarget(dom0, session)
  if (device === null || device.mountPoint === '/boot') {
    const label = device?.label ?? session.device
    return { outcome: 'blocked', facts: { device: label }, message: describeNoTarget(label, device !== null) }
  }
  const look = await store.loadDevices()
  const compared = await ui.progress('comparing the device with the installed packages', () =>
    observeRefresh(dom0, device, look),
  )
  // In `start` the boot itself was looked at before.
  const ownBoot =
    session.flow === 'refresh-device' && compared.isBooted ? await checkOwnBoot(dom0, look, device.label) : []
  const observed = { ...compared, checks: [...compared.checks, ...ownBoot] }
  const { plan, checks, before, changedFiles } = observed
  const facts = { device: device.label, plan, checks, files: before.checks, changedFiles }
  const report = (outcome: Outcomes['check-refresh']) => ({
    outcome,
    facts,
    message: describeRefreshCheck(outcome, observed, options.dryRun),
  })
  if (before.isOpen && isNothingToDo(plan) && ownBoot.length === 0) return report('current')
  if (!isReady(checks)) return report('blocked')
  ui.say(explainRefresh(observed))
  if (!options.canAsk) return report('kept')
  const isWanted = (await ui.ask<'yes' | 'no'>(refreshQuestion(device.label))) === 'yes'
  // A rehearsal on a real machine writes nothing, so the device stays as it is.
  return report(isWanted && !options.dryRun ? 'refresh' : 'kept')
}

/**
 * Of the device of this boot its lines and its initramfs are taken for right as they booted, so that boot must be no other than the
 * approved one.
 * @returns empty where nothing speaks against it
 */
async function checkOwnBoot(dom0: Dom0, look: LedgerLook, label: string): Promise<readonly GateCheck[]> {
  const ground = decideGround((await observeGround(dom0, look)).facts)
  if (ground.state !== 'not-vouched' || !OF_REGISTERS.includes(ground.why)) return []
  const detail = `PCR ${ground.registers.join(', ')} of this boot from ${label} is not known to be as approved, so what it booted is no measure: \`aem-reseal explain\` says what differs`
  return [{ id: 'own-boot', ok: false, detail }]
}

const OF_REGISTERS: readonly GroundProblem[] = [
  'registers-differ',
  'registers-unknown',
  'device-not-approved',
]
