import type { Outcomes } from '../core/decide/outcomes.ts'
import { CANCEL_AND_START } from '../core/decide/preparedness.ts'
import { INCOMPARABLE } from '../core/launch/explain-advice.ts'
import { NOT_COMPUTABLE } from '../core/launch/explain-types.ts'
import { renderPcrTable } from '../core/launch/render-pcr-table.ts'
import type { Session } from '../core/session/checkpoint.ts'
import type { Explanation } from '../observe/launch/verdict.ts'
import type { Message } from '../ui/message.ts'
import { type Line, line } from '../ui/ui.ts'
import { RUNS_ON_WHAT_IT_JUDGES } from './after-restart.ts'
import { explainResealed, numbered, unexplainedScreen } from './alarm.ts'
import { explainedWords } from './explained-words.ts'
import { explainOutdated, nameOutdated, preparedLines } from './prepared.ts'

/** Messages stand four columns in. */
const TABLE_COLUMNS = 76

/** What an explanation says: the registers with their causes, then each finding. */
export function describeExplanation(
  explanation: Explanation,
  protection: Session['protection'] = null,
): Message {
  // Without a baseline nothing was compared: a table, or the same again as a finding, would only say so again.
  if (explanation.verdict === 'no-baseline') return EXPLAIN['no-baseline'](explanation)
  if (explanation.verdict === 'unchanged' && explanation.reasons.some(({ code }) => code === 'not-restarted'))
    return describeUnbooted(explanation, protection)
  const blocking = explanation.reasons.filter((reason) => reason.isBlocking)
  const notes = explanation.reasons.filter((reason) => !reason.isBlocking)
  const later = explanation.reasons.some(({ code }) => code === 'changed-after-start')
  return {
    ...EXPLAIN[explanation.verdict](explanation),
    ...(later && explanation.verdict === 'explained' ? { what: EXPLAINED_LATER } : {}),
    details: [
      ...(explanation.pcrs.length === 0 ? [] : tableLines(explanation)),
      ...blocking.map((reason) =>
        NOT_COMPUTABLE.some((code) => code === reason.code)
          ? line(`? ${reason.what}`, 'warn')
          : line(`✖ ${reason.what}`, 'bad'),
      ),
      ...notes.map((reason) => line(`• ${reason.what}`, 'dim')),
    ],
  }
}

const EXPLAINED_LATER =
  'every change is consistent with the update that was confirmed and with signed packages that came after `start`'

/** Before the restart: there is nothing to explain, only what was prepared and may not fit any more. */
function describeUnbooted({ prepared, pcrs }: Explanation, protection: Session['protection']): Message {
  const what = 'dom0 has not been restarted since `start`: nothing has booted yet that could be explained'
  const table = tableLines({ pcrs })
  if (prepared === null)
    return {
      tone: 'info',
      what,
      why: '`start` stopped before it prepared anything for the restart',
      next: '`aem-reseal resume` goes on where it stopped, before the restart; `aem-reseal cancel` gives it up',
      details: table,
    }
  if (prepared.state === 'fits')
    return {
      tone: 'info',
      what,
      why: 'what the next boot was prepared for still lies there, unchanged',
      next: 'restart dom0, choose the AEM entry in the GRUB menu, then run `aem-reseal resume`',
      details: table,
    }
  const details = [...table, ...preparedLines(prepared)]
  if (prepared.state === 'not-compared')
    return {
      tone: 'attention',
      what: `${what}; and not everything that was prepared for could be compared`,
      next: 'plug the device in and run this again',
      details,
    }
  return {
    tone: 'attention',
    what: `${nameOutdated(protection)}: ${CANCEL_AND_START}`,
    why: `${what}. ${explainOutdated(protection)}`,
    next: `do not restart yet: ${CANCEL_AND_START}`,
    details,
  }
}

const EXPLAIN: { readonly [O in Outcomes['explain']]: (explanation: Explanation) => Message } = {
  unchanged: () => ({
    tone: 'good',
    what: 'no selected PCR changed, and the boot files are those that were recorded',
    why: RUNS_ON_WHAT_IT_JUDGES,
  }),
  explained: ({ pcrs }) => ({
    tone: 'good',
    what: 'every change is consistent with the update that was confirmed',
    brief: `every change is explained: ${explainedWords(pcrs)}`,
    why: RUNS_ON_WHAT_IT_JUDGES,
  }),
  'not-computable': ({ advice }) => ({
    tone: 'attention',
    what: 'NOT PROVEN: what Xen measured in this boot cannot be computed here; nothing else speaks against it',
    why: RUNS_ON_WHAT_IT_JUDGES,
    next: numbered(advice),
  }),
  unexplained: (explanation) => ({
    tone: 'alarm',
    what: 'UNEXPLAINED CHANGE: what booted is not accounted for by the confirmed update',
    why: explainResealed(explanation.alreadyResealed),
    next: numbered(explanation.advice),
    screen: unexplainedScreen(explanation),
  }),
  'no-baseline': ({ reasons }) =>
    describeIncomparable(reasons) ?? {
      tone: 'attention',
      what: 'cannot explain: nothing was recorded before the restart',
      why: 'without the old measurements there is nothing to compare with',
      next: 'decide by hand (AEM README, "Xen/kernel/BIOS/firmware upgrades"); next time run `aem-reseal start` before the restart',
    },
}

/** Reason of an `explain` without a session, in a boot from a device that none was approved from. */
export const UNAPPROVED = 'device-not-approved'

/** Something was noted, and this boot cannot be held against it; null where nothing was. */
function describeIncomparable(reasons: Explanation['reasons']): Message | null {
  const [found] = reasons.filter(({ code }) => code in INCOMPARABLE || code === UNAPPROVED)
  if (found === undefined) return null
  return {
    tone: 'attention',
    what: `cannot explain: ${found.what}`,
    why: RUNS_ON_WHAT_IT_JUDGES,
    ...(found.next === null ? {} : { next: found.next }),
  }
}

function tableLines({ pcrs }: Pick<Explanation, 'pcrs'>): readonly Line[] {
  if (pcrs.length === 0) return []
  const rows = pcrs.map(({ index, bank, before, now, predicted, change, causes }) => ({
    index,
    bank,
    before,
    now,
    predicted,
    cause: causeWords(change, causes),
  }))
  return renderPcrTable(rows, { widthColumns: TABLE_COLUMNS }).map((text) => line(text))
}

const CHANGE_WORDS = {
  expected: 'explained',
  'not-computable': 'NOT PROVEN',
  unexpected: 'UNEXPLAINED',
} as const

function causeWords(
  change: Explanation['pcrs'][number]['change'],
  causes: Explanation['pcrs'][number]['causes'],
): string {
  if (change === 'none') return 'same'
  // A package is named only where it accounts for the change: else what changed is the file.
  const named = causes.map((cause) =>
    cause.package === null || change === 'unexpected'
      ? (cause.path ?? cause.role)
      : `${cause.package.name} ${cause.package.evr}`,
  )
  return `${CHANGE_WORDS[change]}${named.length > 0 ? `: ${[...new Set(named)].join(', ')}` : ''}`
}
