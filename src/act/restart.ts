import type { RestartPlan } from '../core/decide/restart-plan.ts'
import type { Host, RunResult, Seen } from '../host/host.ts'
import { type CommandCall, command } from '../tables/commands.ts'

/** What restarts dom0 by this plan; null: a person does it. */
export function restartCall(plan: RestartPlan): CommandCall | null {
  if (plan.kind === 'now') return command('restart-now', {})
  if (plan.kind === 'minutes') return command('restart-in', { minutes: plan.minutes })
  if (plan.kind === 'at') return command('restart-at', { clockTime: plan.clockTime })
  return null
}

/** Requests the restart; dom0 goes off while this program, and whoever started it, still runs. */
export async function requestRestart(host: Host, call: CommandCall): Promise<Seen<RunResult>> {
  return host.run(call)
}

/** Takes back the restart that a session scheduled. @returns whether it had scheduled one */
export async function cancelRestart(
  host: Host,
  { restart }: { readonly restart: string | null },
): Promise<boolean> {
  const isScheduled = restart !== null && restart !== 'manual'
  if (isScheduled) await host.run(command('restart-cancel', {}))
  return isScheduled
}
