import type { Outcomes } from '../core/decide/outcomes.ts'
import type { DeviceVerification } from '../observe/verify/verify.ts'
import type { Message } from '../ui/message.ts'
import { adviseFailed, describeVerification } from './verify.ts'

/** What comes next after one look, where no step follows it by itself. */

type LookOutcome = Outcomes['predict'] | Outcomes['explain'] | Outcomes['verify']

const NEXT: { readonly [O in LookOutcome]?: string } = {
  complete: '`aem-reseal start` keeps these values and compares the next boot with them',
  unchanged: 'nothing has to be accepted; `aem-reseal resume` goes on',
  explained: '`aem-reseal resume` asks whether you accept this as the new good state',
  verified: 'nothing; `aem-reseal devices` says what each device still needs',
}

export function describeLook(message: Message, outcome: LookOutcome): Message {
  const next = NEXT[outcome]
  return next === undefined ? message : { ...message, next }
}

/** `aem-reseal verify`. @param isOpen is there a session that `resume` goes on with */
export function describeVerifyLook(
  outcome: Outcomes['verify'],
  results: readonly DeviceVerification[],
  isOpen: boolean,
): Message {
  const message = describeLook(describeVerification(outcome, results), outcome)
  if (outcome !== 'failed') return message
  const isHere = results.some(({ ok, booted }) => ok === false && booted)
  // To seal by hand to a boot that nobody explained is the blind reseal.
  if (isOpen && isHere) return { ...message, next: FAILED_IN_SESSION }
  const advice = adviseFailed(results, 'then `aem-reseal verify`')
  return {
    ...message,
    next: isHere ? `if your secret appeared at this boot: ${advice}. If it did not: ${NOT_BLINDLY}` : advice,
  }
}

const FAILED_IN_SESSION =
  'do not seal by hand: `aem-reseal resume` explains first what changed in this boot, then has AEM reseal if you accept it'
const NOT_BLINDLY = 'do not reseal before you know what changed'
