import { observeForwardReadiness } from '../../act/forward-seal/plan.ts'
import { restoreForwardSeal } from '../../act/forward-seal/restore.ts'
import { sealForward, takeBack } from '../../act/forward-seal/seal.ts'
import { isReady } from '../../core/decide/readiness.ts'
import { Failure } from '../../core/failure.ts'
import { forwardRecordOf } from '../../core/seal/forward-of-session.ts'
import type { ForwardRecord } from '../../core/seal/forward-record.ts'
import type { Restored } from '../../core/seal/restore-result.ts'
import { describeForwardFailure, describeForwardSeal } from '../../messages/forward-seal.ts'
import { observeMountPoint } from '../../observe/device/session-device.ts'
import { observePrepared } from '../../observe/launch/prepared.ts'
import { makeFailure } from '../../tables/failures.ts'
import type { Step } from '../step.ts'

/** Seals to the predicted registers beside the old files, then switches; a failure takes everything back. */
export const forwardSeal: Step<'forward-seal'> = async (context) => {
  const { dom0, host, ui, options, session, store } = context
  if (options.dryRun)
    return {
      outcome: 'sealed',
      facts: { dryRun: true },
      message: describeForwardSeal('rehearsed', null),
      session: { prepared: await observePrepared(dom0, session) },
    }
  const before = forwardRecordOf(session)
  // A run that ended half-way: first everything as it was, then again.
  let kept: ForwardRecord | null = null
  if (before !== null) {
    const mountPoint = await observeMountPoint(dom0, before.uuid)
    const { device, dom0: inDom0 } = await restoreForwardSeal(host, before, mountPoint, false)
    const why = UNRESTORED[device]
    if (why !== undefined)
      return fail(makeFailure('forward-seal-failed', { what: `${before.label} ${why}` }), before)
    // A complete seal has no old files in dom0 any more: it is made anew; where that fails, dom0 is not as it was.
    if (inDom0 === 'stuck') kept = before
  }
  const { plan, checks } = await observeForwardReadiness(dom0, session, await store.loadDevices())
  if (plan === null || !isReady(checks)) {
    const failed = checks.filter((check) => check.ok !== true).map((check) => check.detail)
    return fail(makeFailure('forward-seal-failed', { what: failed.join('; ') }), kept)
  }
  try {
    const record = await ui.progress('sealing to the predicted registers', () => sealForward(context, plan))
    return {
      outcome: 'sealed',
      facts: { record },
      message: describeForwardSeal('sealed', record, session.device),
      session: { prepared: await observePrepared(dom0, session) },
    }
  } catch (error) {
    if (!(error instanceof Failure)) throw error
    return fail(error, (await takeBack(context, plan)) ?? kept)
  }
}

/** Why nothing is made anew: what is sealed on the device may be what the record says. */
const UNRESTORED: { readonly [R in Restored]?: string } = {
  absent: 'is not plugged in, and an earlier run of this step began to seal it forward',
  stuck: 'has sealed files that cannot be read, or without the old ones beside them',
}

/** @param left the record of what could not be taken back, kept in the session for `cancel` */
function fail({ text }: Failure, left: ForwardRecord | null) {
  const takenBack = left === null
  return {
    outcome: 'failed' as const,
    facts: { what: text.what, takenBack, ...(takenBack ? {} : { record: left }) },
    message: describeForwardFailure(text, takenBack),
  }
}
