import { withoutEpoch } from '../core/package/evr.ts'
import type { Session } from '../core/session/checkpoint.ts'
import { line, type Screen } from '../ui/ui.ts'
import { explainedWords } from './explained-words.ts'

type PackageName = { readonly name: string; readonly evr: string }

/** @param pending packages that came since this boot began: they were neither explained nor sealed to */
export function afterwards(pending: readonly PackageName[]): string {
  if (pending.length === 0) return 'nothing; after the next update, before its restart: `aem-reseal start`'
  const names = pending.map(({ name, evr }) => `${name} ${withoutEpoch(evr)}`).join(', ')
  return `\`aem-reseal start\`, before the restart: ${names} came in this boot`
}

/** The verdict of a session that is at its end, with nothing left open: what it rests on, and what comes next; null without an explanation. */
export function finishedScreen(
  report: string,
  { findings, approved }: Session,
  pending: readonly PackageName[] = [],
): Screen | null {
  const { explain } = findings
  if (explain === undefined) return null
  const isUnproven = approved?.proof === 'not-proven'
  return {
    title: line(
      // Where the journal is silent, a person was asked in the last step.
      findings['ask-secret']?.answer === 'yes' || findings['confirm-secret']?.unseal !== 'unsealed'
        ? '✔ DONE: your secret appeared in this boot'
        : "✔ DONE: by AEM's journal your secret was released in this boot",
      'good',
    ),
    body: [
      line(
        isUnproven
          ? '▲ Accepted, not proven: what Xen measured could not be computed.'
          : explain.verdict === 'unchanged'
            ? '✔ No register changed since the accepted state.'
            : `✔ Explained: ${explainedWords(explain.pcrs)}.`,
        isUnproven ? 'warn' : 'good',
      ),
      line('✔ The sealed copies fit this boot, and no other device is left.', 'good'),
      line(`The report: ${report}`),
      line(`next: ${afterwards(pending)}`),
    ],
    enter: null,
  }
}
