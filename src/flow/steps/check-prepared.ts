import type { Outcomes } from '../../core/decide/outcomes.ts'
import type { Preparedness } from '../../core/decide/preparedness.ts'
import type { Session } from '../../core/session/checkpoint.ts'
import { BEGIN_ANEW_QUESTION, describePreparedness } from '../../messages/prepared.ts'
import { observePreparedness } from '../../observe/launch/prepared.ts'
import { line } from '../../ui/ui.ts'
import type { Step } from '../step.ts'

/**
 * Right before the restart, and whenever `resume` comes back before it: does what the next boot was prepared for still lie
 * there? A second update, or a seal of AEM's own, leaves a forward seal that no boot can open.
 */
export const checkPrepared: Step<'check-prepared'> = async ({ dom0, ui, options, session }) => {
  const found = await ui.progress('comparing what was prepared with what lies there now', () =>
    observePreparedness(dom0, session),
  )
  // A dry run prepares nothing and waits for nobody.
  const outcome = decideOutcome(options.dryRun ? null : found, session)
  const isOutdated = outcome === 'forward-seal-outdated' || outcome === 'prediction-outdated'
  const message = describePreparedness(outcome, found, session.protection)
  if (isOutdated && options.canAsk && options.yes !== true) {
    // A person sees what changed before anything is asked.
    ui.say([line(`  ${message.what}`, 'bold'), ...(message.details ?? [])])
    if ((await ui.ask<'yes' | 'no'>(BEGIN_ANEW_QUESTION)) === 'yes')
      return {
        outcome: 'begin-anew',
        facts: { ...found },
        message: describePreparedness('begin-anew', found, session.protection),
      }
  }
  return { outcome, facts: { ...found }, message }
}

function decideOutcome(found: Preparedness | null, session: Session): Outcomes['check-prepared'] {
  if (found?.state === 'outdated')
    return session.protection === 'forward-seal' ? 'forward-seal-outdated' : 'prediction-outdated'
  if (found?.state === 'not-compared') return 'not-compared'
  return session.restart === null ? 'not-planned' : 'fits'
}
