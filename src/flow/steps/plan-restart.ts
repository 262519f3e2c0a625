import { parseRestartPlan } from '../../core/decide/restart-plan.ts'
import type { Host } from '../../host/host.ts'
import { valueOrNull } from '../../host/host.ts'
import { photographScreen } from '../../messages/photograph.ts'
import { describeRestartPlan, restartScreen } from '../../messages/restart.ts'
import { command } from '../../tables/commands.ts'
import type { Step } from '../step.ts'

type Answer = 'manual' | 'now' | '+5' | '+30' | 'no'

export const planRestart: Step<'plan-restart'> = async ({ dom0, host, ui, options, session }) => {
  const device = (await dom0.booted())?.label ?? null
  await ui.show(photographScreen(session, { device, now: host.now(), isDetailed: ui.isDetailed }))
  const qubes = await observeRunningQubes(host)
  const screen = restartScreen(qubes)
  const given = options.restart ?? session.restart
  if (given !== null) ui.say([screen.title, ...screen.body])
  const answer =
    given ??
    (await ui.ask<Answer>({
      id: 'restart',
      message: 'When is dom0 restarted?',
      screen,
      choices: [
        { value: 'manual', label: 'by hand', hint: 'I restart it myself' },
        { value: '+5', label: 'in 5 minutes' },
        { value: '+30', label: 'in 30 minutes' },
        { value: 'now', label: 'now', hint: 'ends all qubes at once' },
        { value: 'no', label: 'not at all', hint: 'ends the wizard' },
      ],
      default: 'manual',
      withYes: 'manual',
    }))
  const plan = parseRestartPlan(answer)
  const outcome = plan === null ? 'declined' : 'planned'
  return {
    outcome,
    // How many, never their names: facts go into session, report and --json.
    facts: { runningQubes: qubes?.length ?? null, restart: plan === null ? null : answer },
    message: describeRestartPlan(outcome, answer, session.protection, given === null),
    ...(plan === null ? {} : { session: { restart: answer } }),
  }
}

/** Names of running qubes without dom0; null where they could not be listed. */
async function observeRunningQubes(host: Host): Promise<readonly string[] | null> {
  const list = valueOrNull(await host.run(command('running-qubes', {})))
  if (list?.exit !== 0) return null
  return list.stdout
    .split('\n')
    .map((name) => name.trim())
    .filter((name) => name !== '' && name !== 'dom0')
}
