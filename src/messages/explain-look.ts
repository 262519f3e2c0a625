import type { Outcomes } from '../core/decide/outcomes.ts'
import type { Session } from '../core/session/checkpoint.ts'
import type { Explanation } from '../observe/launch/verdict.ts'
import type { Message } from '../ui/message.ts'
import { unexplainedScreen } from './alarm.ts'
import { describeExplanation } from './explain.ts'
import { stateWords } from './known-state.ts'

/* What `aem-reseal explain` says beside the explanation itself: what comes next, with a session and without one. */

/**
 * `aem-reseal explain` of an open session: what `resume` does with it.
 * @param session null: none is open
 * @param bootId of this boot
 */
export function describeExplanationLook(
  explanation: Explanation,
  session: Pick<Session, 'protection' | 'approved' | 'findings'> | null = null,
  bootId: string | null = null,
): Message {
  const message = describeExplanation(explanation, session?.protection ?? null)
  if (explanation.reasons.some(({ code }) => code === 'not-restarted')) return message
  const asked = session?.findings['ask-secret']
  if (asked?.answer === 'no' && bootId !== null && asked.bootId === bootId && message.tone !== 'alarm')
    return {
      ...message,
      tone: 'attention',
      what: `${NO_SENTENCE}; apart from that ${message.what}`,
      next: NO_SENTENCE_NEXT,
    }
  // Without a session and an approved boot only an odd entry is found.
  if (session === null && explanation.verdict === 'unexplained')
    return { ...message, what: ODD_BOOT, screen: unexplainedScreen(explanation, 'UNEXPLAINED BOOT') }
  const isAccepted = bootId !== null && session?.approved?.bootId === bootId
  const next =
    isAccepted && explanation.verdict === 'explained'
      ? 'you accepted it in this boot; `aem-reseal resume` says what is left'
      : LOOK_NEXT[explanation.verdict]
  return next === undefined ? message : { ...message, next }
}

const ODD_BOOT =
  'UNEXPLAINED: this boot may have come from an entry that AEM does not write, and no boot from this device was approved yet that it could be compared with'

/** Registers and files can be right, and the boot another one all the same. */
const NO_SENTENCE = 'you said that your sentence did not appear in this boot, though it had to'
const NO_SENTENCE_NEXT =
  'power off, and type no secret here (`aem-reseal help alarm`). Answered no by mistake? `aem-reseal resume` asks again'

const LOOK_NEXT: { readonly [O in Outcomes['explain']]?: string } = {
  unchanged: 'nothing has to be accepted; `aem-reseal resume` goes on',
  explained: '`aem-reseal resume` asks whether you accept this as the new good state',
}

/** The same without a session: what changed since the last approved boot, or the one that `start` believed. @param since ISO 8601 */
export function describeSinceApproved(
  explanation: Explanation,
  since: string,
  { isBelieved, isOfOther = false }: { readonly isBelieved: boolean; readonly isOfOther?: boolean },
): Message {
  const boot = `the boot ${stateWords(since, isBelieved)}`
  const message = describeExplanation(explanation)
  if (explanation.verdict === 'unchanged')
    return {
      ...message,
      what: isOfOther
        ? `this boot is ${boot} on another device, but for what names the device`
        : `no register changed since ${boot}`,
      next: 'nothing has to be accepted',
    }
  if (explanation.verdict === 'explained')
    return {
      ...message,
      tone: 'attention',
      what: `every change since ${boot} is consistent with signed packages installed since: updated without this program, by a blind boot`,
      why: `${UNSEEN[String(explanation.alreadyResealed) as keyof typeof UNSEEN]}; such a boot is no ground for a forward seal until you approve it`,
      next: APPROVE_LATER,
    }
  // What cannot be computed, or compared at all, has words of its own.
  if (explanation.verdict !== 'unexplained') return message
  return {
    ...message,
    what: `UNEXPLAINED CHANGE: what booted is not accounted for by the packages installed since ${boot}`,
    screen: unexplainedScreen(explanation, `UNEXPLAINED CHANGE since ${since.slice(0, 10)}`),
  }
}

/** By whether AEM sealed to this boot. */
const UNSEEN = {
  true: 'AEM sealed to it by itself, unseen',
  false: 'nothing was sealed to it yet',
  null: 'AEM seals to it by itself, unseen, where nothing holds it',
} as const

/** The way to approve what was updated without this program. */
export const APPROVE_LATER =
  'the next `aem-reseal start`, in a terminal, names what differs and asks whether you go on; what you then accept in `aem-reseal resume` is the new approved state'
