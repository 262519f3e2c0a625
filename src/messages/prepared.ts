import type { Outcomes } from '../core/decide/outcomes.ts'
import { CANCEL_AND_START, type Preparedness } from '../core/decide/preparedness.ts'
import type { FailureText } from '../core/failure.ts'
import type { RestoreResult } from '../core/seal/restore-result.ts'
import type { Session } from '../core/session/checkpoint.ts'
import type { Message } from '../ui/message.ts'
import type { Question } from '../ui/ui.ts'
import { type Line, line } from '../ui/ui.ts'
import { describeRestored } from './forward-seal.ts'

/** What is said of a next boot that was prepared for, until it comes. */

type Way = Session['protection']

export const BEGIN_ANEW_QUESTION: Question<'yes' | 'no'> = {
  id: 'begin-anew',
  message: 'Cancel and start over now?',
  choices: [
    { value: 'no', label: 'no', hint: 'stop here; nothing is changed' },
    { value: 'yes', label: 'yes', hint: 'puts the old sealed files back and begins with the first step' },
  ],
  default: 'no',
  withYes: 'no',
}

/** The headline, without the way on. */
export function nameOutdated(way: Way): string {
  if (way === 'forward-seal') return 'the forward seal no longer fits'
  return way === 'hold'
    ? 'what the gate was told of the next boot no longer fits'
    : 'what was recorded for the next boot no longer fits'
}

/** Why it matters that it does not. */
export function explainOutdated(way: Way): string {
  if (way === 'forward-seal')
    return 'the next boot measures something else than was sealed to, or other files are sealed: your secret would not appear'
  return way === 'hold'
    ? "the next boot measures something else than was predicted: AEM's seal would stay held, and the photographed values would not be there"
    : 'the next boot measures something else than was confirmed and predicted'
}

/** One line each: what changed, then what could not be compared. */
export function preparedLines({ changes, notCompared }: Preparedness): readonly Line[] {
  return [
    ...changes.map(({ what }) => line(`✖ ${what}`, 'bad')),
    ...notCompared.map((what) => line(`? not compared: ${what}`, 'warn')),
  ]
}

/** One sentence for `status` and `devices`; null where nothing has to be said. */
export function summarizePreparedness(found: Preparedness | null, way: Way): string | null {
  if (found === null || found.state === 'fits') return null
  if (found.state === 'not-compared')
    return `whether what was prepared still fits is not known: not compared: ${found.notCompared.join('; ')}`
  const shown = found.changes.slice(0, MAX_SHOWN).map(({ what }) => what)
  const more = found.changes.length > MAX_SHOWN ? `; and ${found.changes.length - MAX_SHOWN} more` : ''
  return `${nameOutdated(way)}: ${shown.join('; ')}${more}`
}

/** `status` stays one screen. */
const MAX_SHOWN = 3

export function describePreparedness(
  outcome: Outcomes['check-prepared'],
  found: Preparedness | null,
  way: Way,
): Message {
  const details = found === null ? [] : preparedLines(found)
  if (outcome === 'fits' || outcome === 'not-planned')
    return {
      tone: 'good',
      what:
        found === null
          ? 'nothing was recorded that could have changed since'
          : 'what was prepared for still lies there, unchanged',
      ...(found === null ? {} : { brief: 'what was prepared for is unchanged' }),
      details,
    }
  if (outcome === 'not-compared')
    return {
      tone: 'attention',
      what: 'dom0 has not been restarted yet, and not everything that was prepared could be compared',
      why: 'what could not be looked at is neither changed nor fine',
      next: 'plug the device in and run `aem-reseal resume`; or restart dom0 with the AEM entry, then run `aem-reseal resume`',
      details,
    }
  if (outcome === 'begin-anew')
    return {
      tone: 'info',
      what: `${nameOutdated(way)}: it is taken back, and the wizard starts over`,
    }
  return {
    tone: 'attention',
    what: `${nameOutdated(way)}: ${CANCEL_AND_START}`,
    why: explainOutdated(way),
    next: `do not restart yet: ${CANCEL_AND_START}`,
    details,
  }
}

export function describeTakeBack(
  outcome: Outcomes['take-back'],
  restored: RestoreResult | null,
  failure: FailureText | null,
): Message {
  if (outcome === 'taken-back')
    return {
      tone: 'good',
      what: restored === null ? 'what was recorded is given up' : describeRestored(restored),
    }
  return {
    tone: 'attention',
    what: failure?.what ?? 'it could not be taken back',
    why: 'the session is kept as it is',
    next: 'plug the device in, then `aem-reseal cancel`, then `aem-reseal start`',
  }
}
