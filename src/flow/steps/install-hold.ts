import { installHold } from '../../act/hold-drop-in.ts'
import type { HoldChange } from '../../core/hold/drop-in.ts'
import type { Session } from '../../core/session/checkpoint.ts'
import { describeHoldInstalled } from '../../messages/hold.ts'
import type { Dom0 } from '../../observe/dom0/dom0.ts'
import { observePrepared } from '../../observe/launch/prepared.ts'
import { isHeld, observeHold } from '../../observe/seal/hold-drop-in.ts'
import { command } from '../../tables/commands.ts'
import { HOLD_DROP_IN } from '../../tables/paths.ts'
import { line } from '../../ui/ui.ts'
import type { Step } from '../step.ts'

/** The user chose hold; the drop-in is written only where systemd does not ask the gate yet, and never by --yes. */
export const installHoldStep: Step<'install-hold'> = async ({ dom0, host, ui, options, session }) => {
  const facts = await observeHold(host)
  const isThere = isHeld(facts)
  if (options.dryRun && !isThere && facts.program.path !== null) {
    const { argv } = command('gate-asked', { program: facts.program.path })
    ui.say([line(`  would write ${HOLD_DROP_IN} (ExecCondition=${argv.join(' ')})`, 'dim')])
    return report({ changed: true, program: facts.program.path, why: null }, true, dom0, session)
  }
  if (options.yes && !isThere) {
    const why = '--yes installs no drop-in; `aem-reseal gate install` in a terminal does'
    return report({ changed: false, program: facts.program.path, why }, false, dom0, session)
  }
  return report(await installHold(host, facts), false, dom0, session)
}

async function report(change: HoldChange, dryRun: boolean, dom0: Dom0, session: Session) {
  const outcome = change.why === null ? 'installed' : 'failed'
  return {
    outcome,
    facts: {
      dropIn: HOLD_DROP_IN,
      program: change.program,
      changed: change.changed,
      why: change.why,
      dryRun,
    },
    message: describeHoldInstalled(change),
    ...(change.why === null ? { session: { prepared: await observePrepared(dom0, session) } } : {}),
  } as const
}
