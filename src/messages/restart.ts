import type { Outcomes } from '../core/decide/outcomes.ts'
import type { Baseline, Session } from '../core/session/checkpoint.ts'
import type { Message } from '../ui/message.ts'
import { line, type Screen } from '../ui/ui.ts'

/** What the steps around the restart say. */

/** @param unreadLog why there is no launch log; null where it was read, or where that is not known */
export function describeBaseline(
  outcome: Outcomes['record-baseline'],
  baseline: Baseline | null,
  unreadLog: string | null = null,
): Message {
  if (outcome === 'incomplete' || baseline === null) {
    return {
      tone: 'attention',
      what: 'the selected PCRs could not all be read',
      why: 'without the current values, no change after the restart can be explained',
      next: 'run `aem-reseal status --json` as root and see which PCR is missing; `tpm2_pcrread` reads them by hand',
    }
  }
  const count = Object.keys(baseline.pcrs[baseline.bank] ?? {}).length
  return {
    tone: 'good',
    what: `recorded: ${count} PCRs (${baseline.bank}), ${baseline.bootFiles.length} boot files, ${baseline.packages.length} packages`,
    why:
      baseline.components === null
        ? `${unreadLog ?? 'the launch log could not be read'}; changes are explained by files and packages only`
        : null,
    details: baseline.selectedPcrs.map((index) =>
      line(`PCR ${String(index).padStart(2)}  ${baseline.pcrs[baseline.bank]?.[index]}`, 'dim'),
    ),
  }
}

/** Above the question: what is lost. @param qubes names of running ones; null: they could not be listed */
export function restartScreen(qubes: readonly string[] | null): Screen {
  const running =
    qubes === null
      ? 'Running qubes could not be listed: save your work in all of them.'
      : qubes.length === 0
        ? 'No qubes are running.'
        : `Running qubes, whose unsaved work is lost: ${qubes.join(', ')}`
  return {
    title: line('The restart', 'bold'),
    body: [line(running, qubes?.length === 0 ? undefined : 'warn'), line('')],
    enter: null,
  }
}

export function describeRestartPlan(
  outcome: Outcomes['plan-restart'],
  answer: string,
  protection: Session['protection'],
  isAsked: boolean,
): Message {
  if (outcome === 'declined') {
    return {
      tone: 'attention',
      what: 'no restart was planned',
      why: `${LEFT_BEHIND[protection ?? 'plain']}; the update is not in effect until dom0 restarts`,
      next: '`aem-reseal resume` asks again, `aem-reseal cancel` gives the session up',
    }
  }
  return {
    tone: 'info',
    what: answer === 'manual' ? 'you restart dom0 yourself' : `restart: ${planWords(answer)}`,
    // The answer stands there already.
    ...(isAsked ? { brief: '' } : {}),
  }
}

function planWords(answer: string): string {
  if (answer === 'now') return 'now'
  return answer.startsWith('+') ? `in ${Number(answer.slice(1))} minutes` : `at ${answer}`
}

const LEFT_BEHIND: Readonly<Record<NonNullable<Session['protection']>, string>> = {
  'forward-seal': 'the secrets stay sealed for the predicted registers of the next boot',
  hold: "AEM's automatic seal stays on hold",
  plain: 'nothing was changed',
}

/** @param isRehearsal then there is no session afterwards */
export function describeCheckpoint(session: Session, isRehearsal = false): Message {
  return {
    tone: 'good',
    what: isRehearsal
      ? 'the state would be kept in a session, and read back'
      : `the state is kept (session ${session.id.slice(0, 8)}) and was read back`,
    brief: isRehearsal ? 'the state would be kept' : 'the state is kept',
  }
}

export function describeRestart(
  outcome: Outcomes['restart'],
  said: string | null,
  protection: Session['protection'] = null,
  clock: { readonly clock: string; readonly isTomorrow: boolean } | null = null,
): Message {
  if (outcome === 'failed') {
    return {
      tone: 'attention',
      what: `the restart could not be requested: ${said ?? ''}`,
      why: 'the state is kept',
      next: 'restart dom0 by hand, choose the AEM entry, then run `aem-reseal resume`',
    }
  }
  const when = clock === null ? '' : ` at ${clock.clock}${clock.isTomorrow ? ' tomorrow' : ''}`
  const isLater = outcome === 'requested' && clock !== null
  return {
    tone: 'good',
    what: outcome === 'requested' ? `dom0 restarts${when}` : 'everything is ready for the restart',
    next: `${isLater ? '`aem-reseal cancel` calls it off until then; else ' : ''}${outcome === 'by-hand' ? 'restart dom0, ' : ''}choose the AEM entry in the GRUB menu, ${protection === 'forward-seal' ? 'log in only if your secret appeared' : 'log in'}, then run \`aem-reseal resume\``,
  }
}
