import { parseRestartPlan, type RestartPlan, restartClock } from '../../core/decide/restart-plan.ts'
import { describeRestart } from '../../messages/restart.ts'
import { type CommandCall, command } from '../../tables/commands.ts'
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
  const run = await host.run(call)
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

function restartCall(plan: RestartPlan): CommandCall | null {
  if (plan.kind === 'now') return command('restart-now', {})
  if (plan.kind === 'minutes') return command('restart-in', { minutes: plan.minutes })
  if (plan.kind === 'at') return command('restart-at', { clockTime: plan.clockTime })
  return null
}
