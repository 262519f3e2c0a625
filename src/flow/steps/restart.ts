import { requestRestart, restartCall } from '../../act/restart.ts'
import { parseRestartPlan, restartClock } from '../../core/decide/restart-plan.ts'
import { describeRestart } from '../../messages/restart.ts'
import { line } from '../../ui/ui.ts'
import type { Step } from '../step.ts'

export const restart: Step<'restart'> = async ({ host, ui, options, session }) => {
  const plan = parseRestartPlan(session.restart ?? 'manual') ?? { kind: 'manual' }
  const call = restartCall(plan)
  if (call === null || options.dryRun) {
    if (call !== null) ui.say([line(`  would run: ${call.argv.join(' ')}`, 'dim')])
    return {
      outcome: 'by-hand',
      facts: { restart: session.restart, argv: call?.argv ?? null },
      message: describeRestart('by-hand', null, session.protection),
    }
  }
  const run = await requestRestart(host, call)
  const isDone = run.state === 'seen' && run.value.exit === 0
  const said =
    run.state === 'seen' ? run.value.stderr.trim() : run.state === 'unknown' ? run.why : 'not installed'
  const outcome = isDone ? 'requested' : 'failed'
  return {
    outcome,
    facts: { restart: session.restart, argv: call.argv },
    message: describeRestart(outcome, said, session.protection, restartClock(plan, host.now())),
  }
}
