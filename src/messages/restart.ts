import type { Outcomes } from '../core/decide/outcomes.ts'
import { forwardRecordOf } from '../core/seal/forward-record.ts'
import type { Baseline, Session } from '../core/session/checkpoint.ts'
import type { Message } from '../flow/step.ts'
import { type Line, line } from '../ui/ui.ts'
import { forwardExpectation } from './forward-seal.ts'

/** What the steps around the restart say. */

export function describeBaseline(outcome: Outcomes['record-baseline'], baseline: Baseline | null): Message {
  if (outcome === 'incomplete' || baseline === null) {
    return {
      tone: 'attention',
      what: 'the selected PCRs could not all be read',
      why: 'without the values of now, no change after the restart can be explained',
      next: 'run `aem-reseal status --json` as root and see which PCR is missing; `tpm2_pcrread` reads them by hand',
    }
  }
  const count = Object.keys(baseline.pcrs[baseline.bank] ?? {}).length
  return {
    tone: 'good',
    what: `recorded: ${count} PCRs (${baseline.bank}), ${baseline.bootFiles.length} boot files, ${baseline.packages.length} packages`,
    why:
      baseline.launchLog === null
        ? 'the launch log could not be read: changes are explained by files and packages only'
        : null,
    next: 'the record is kept across the restart',
    details: baseline.selectedPcrs.map((index) =>
      line(`PCR ${String(index).padStart(2)}  ${baseline.pcrs[baseline.bank]?.[index]}`, 'dim'),
    ),
  }
}

export function describeProtection(outcome: Outcomes['choose-protection'], wanted: string): Message {
  if (outcome === 'not-available') {
    return {
      tone: 'attention',
      what: `this version cannot go through the restart by ${wanted}`,
      next: 'use `--protect plain`',
    }
  }
  return {
    tone: 'info',
    what: 'plain: AEM itself seals to whatever the next boot measures; this program explains the change afterwards',
    why: 'the next boot will not show your secret, and nothing vouches for it before you type the passphrase',
    next: 'the restart is planned',
  }
}

/** Said before the question: what is lost, and what the next boot will and will not show. */
export function restartWarning(qubes: readonly string[] | null, session: Session): readonly Line[] {
  const running =
    qubes === null
      ? 'running qubes could not be listed; save your work in all of them'
      : qubes.length === 0
        ? 'no qubes are running'
        : `unsaved work is lost in: ${qubes.join(', ')}`
  const pcrs = session.expectation?.mayChange.join(' and ') ?? ''
  const forward = forwardRecordOf(session)
  const head = [line(`  ▲ ${running}`, qubes?.length === 0 ? undefined : 'warn'), line('')]
  if (forward !== null) return [...head, ...forwardExpectation(forward)]
  return [
    ...head,
    line('  What the next boot shows', 'bold'),
    line('    Choose the AEM entry in the GRUB menu.'),
    line(`    Your secret will NOT appear: PCR ${pcrs} differ, so the TPM refuses.`),
    line('    AEM says "Freshness token unsealing failed!". That is expected this once, and it is'),
    line('    also exactly what an attacker’s Xen would show: the passphrase is typed blind.'),
    line('    If something else looks wrong (another prompt, no AEM text at all): type nothing,'),
    line('    power off, and compare the boot device on another machine.'),
  ]
}

export function describeRestartPlan(outcome: Outcomes['plan-restart'], answer: string): Message {
  if (outcome === 'declined') {
    return {
      tone: 'attention',
      what: 'no restart was planned',
      why: 'nothing was changed; the update is not in effect until dom0 restarts',
      next: '`aem-reseal resume` asks again, `aem-reseal cancel` gives the session up',
    }
  }
  return {
    tone: 'info',
    what: answer === 'manual' ? 'you restart dom0 yourself' : `restart: ${answer}`,
    next: 'the state is kept first',
  }
}

export function describeCheckpoint(session: Session): Message {
  return {
    tone: 'good',
    what: `the state is kept (session ${session.id.slice(0, 8)}) and was read back`,
    next: 'after the restart and login: `aem-reseal resume`',
  }
}

export function describeRestart(outcome: Outcomes['restart'], said: string | null): Message {
  if (outcome === 'failed') {
    return {
      tone: 'attention',
      what: `the restart could not be requested: ${said ?? ''}`,
      why: 'the state is kept',
      next: 'restart dom0 by hand, choose the AEM entry, then run `aem-reseal resume`',
    }
  }
  return {
    tone: 'good',
    what: outcome === 'requested' ? 'dom0 restarts' : 'everything is ready for the restart',
    next: `${outcome === 'by-hand' ? 'restart dom0, ' : ''}choose the AEM entry in the GRUB menu, log in, then run \`aem-reseal resume\``,
  }
}
