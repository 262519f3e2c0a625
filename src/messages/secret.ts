import type { SecretAnswer } from '../core/decide/facts.ts'
import type { ForwardOutcome } from '../core/decide/forward-outcome.ts'
import type { Outcomes } from '../core/decide/outcomes.ts'
import { withoutEpoch } from '../core/package/evr.ts'
import type { Message } from '../ui/message.ts'
import { type Line, line, type Question, type Screen } from '../ui/ui.ts'

/** What is asked and said of the person's own sentence, the only thing that a changed boot cannot show. */

export type SecretContext = {
  /**
   * What the sentence was sealed for: the boot that was checked, the state that was accepted, or, where AEM may have sealed by
   * itself since the forward seal, whatever booted.
   */
  readonly sealedFor: 'checked-boot' | 'accepted-state' | 'any-boot'
  /** In a rehearsal: what its machine showed; null: a person saw it themselves. */
  readonly rehearsed: boolean | null
}

/** @param withYes what --yes takes, by AEM's journal */
export function secretQuestion(context: SecretContext | null, withYes: SecretAnswer): Question<SecretAnswer> {
  return {
    id: 'secret-shown',
    message: 'Did your own secret appear in this boot, before you typed the disk passphrase?',
    choices: [
      { value: 'no', label: 'no', hint: 'another sentence, or none: an alarm' },
      { value: 'yes', label: 'yes', hint: 'it was my own sentence' },
      { value: 'not-sure', label: 'not sure', hint: 'then it proves nothing here' },
    ],
    default: 'no',
    withYes,
    ...(context === null ? {} : { screen: secretScreen(context) }),
  }
}

const SEALED_FOR: { readonly [S in SecretContext['sealedFor']]: string } = {
  'checked-boot': 'It was sealed for exactly what was checked: only that boot could show it.',
  'accepted-state': 'It is sealed for the state that you accepted: this boot must show it.',
  'any-boot':
    'AEM may have sealed to what booted since, by itself: a sentence in this boot does not show that it is yours.',
}

function secretScreen({ sealedFor, rehearsed }: SecretContext): Screen {
  const told =
    rehearsed === null
      ? []
      : rehearsed
        ? [line('In this rehearsal the sentence appeared.', 'good')]
        : [line('In this rehearsal NO sentence appeared.', 'bad')]
  return {
    title: line('After the restart: your own sentence', 'bold'),
    body: [line(SEALED_FOR[sealedFor]), ...told, line('')],
    enter: null,
  }
}

/**
 * What the answer means for the steps that follow.
 * @param refused AEM's journal contradicts a yes
 * @param vouches a sentence proves something in this boot
 */
export function describeSecretAnswer(
  outcome: Exclude<Outcomes['ask-secret'], 'not-shown-alarm'>,
  { refused, vouches }: { refused: boolean; vouches: boolean },
): Message {
  if (outcome === 'not-asked' && vouches)
    return { tone: 'info', what: "nobody is asked about the sentence: AEM's journal is taken" }
  if (outcome === 'not-sure' && refused)
    return {
      tone: 'attention',
      what: "your word and AEM's journal differ: the journal says that the TPM refused your secret in this boot",
      why: 'a sentence that the TPM did not release was shown by somebody who knows it, or it was not your own',
    }
  return ANSWERED[outcome]
}

const ANSWERED: {
  readonly [O in Exclude<Outcomes['ask-secret'], 'not-shown-alarm'>]: Message
} = {
  shown: { tone: 'good', what: 'your sentence appeared: you said so' },
  'not-asked': { tone: 'info', what: 'no sentence is asked for in this boot: none was sealed for it' },
  'not-sure': {
    tone: 'info',
    what: 'not sure: then nothing vouches for this boot; what AEM seals to it, the next boot shows whoever made it',
  },
  'not-shown': { tone: 'info', what: 'you did not see your sentence: what is found here stands below' },
}

/** Reasons why the secret was refused, though a forward seal had been chosen. */
const NO_SECRET: { readonly [F in ForwardOutcome]?: string } = {
  'not-made': 'the forward seal was not done, so nothing was sealed for this boot',
  cut: 'dom0 went off while the forward seal was being switched',
  'not-in-force': 'what lay sealed at this boot was not the forward seal any more',
  overtaken: 'packages came after the forward seal was made',
}

type PackageName = { readonly name: string; readonly evr: string }

/**
 * @param isExpected is a boot without the secret what the update brings with it
 * @param forward what became of a forward seal
 * @param isUnsure the person is not sure
 * @param isSaid they were asked at the beginning
 */
export function describeSecret(
  outcome: Outcomes['confirm-secret'],
  isExpected = true,
  forward: ForwardOutcome = 'none',
  isUnsure = false,
  isSaid = false,
): Message {
  // It stands there already where the person said so.
  if (outcome === 'shown')
    return { tone: 'good', what: 'your secret appeared in this boot', ...(isSaid ? { brief: '' } : {}) }
  if (outcome === 'not-shown') return onScreen(NOT_SHOWN, '✖ NO SECRET: power off now')
  const why = isUnsure
    ? 'you are not sure of this boot'
    : isExpected
      ? (NO_SECRET[forward] ?? 'the TPM refused it in this boot, as expected after the update')
      : 'it was refused in this boot, though it had been sealed for this state: what was found stands above'
  const tone = isExpected && !isUnsure ? 'info' : 'attention'
  return onScreen({ ...NEXT_BOOT, tone, why }, 'NOT DONE YET')
}

const NEXT_BOOT = {
  what: 'one more AEM boot shows whether the secret appears',
  next: 'restart once more with the AEM entry: your secret MUST appear before you type the passphrase. If it does not, type nothing and power off. Then run `aem-reseal resume`',
} as const

/** @param pending packages that came since this boot began: the next one measures them, and no secret is sealed for it yet */
export function describeNextUpdate(pending: readonly PackageName[]): Message {
  const names = pending.map(({ name, evr }) => `${name} ${withoutEpoch(evr)}`).join(', ')
  return onScreen(
    {
      tone: 'attention',
      what: `${names} came in this boot, so the next one shows no secret as things are`,
      why: 'AEM sealed to this boot, and the next one measures other files',
      next: '`aem-reseal cancel`, then `aem-reseal start`, before the restart: what was accepted here stays known',
    },
    'NOT DONE YET',
  )
}

const NOT_SHOWN = {
  tone: 'alarm',
  what: 'this boot had to show your secret, and nobody is certain that it did',
  why: 'nothing vouches for it, and the disk passphrase that was typed in it may be known to someone else',
  next: 'power off now, and type no secret here. What to do then: `aem-reseal help alarm`, best on paper. Answered no by mistake? `aem-reseal resume` asks again',
} as const

/** The same message, seen as a whole: what the run came to stands first. */
function onScreen(message: Message, title: string): Message {
  const style = message.tone === 'alarm' ? 'bad' : 'bold'
  const body: Line[] = [
    line(sentence(message.what)),
    ...(message.why ? [line(sentence(message.why))] : []),
    line(''),
    ...(message.next ?? '')
      .split(/(?<=[.?]) (?=[A-Z])/)
      .map((order, at) => line(`${at === 0 ? 'next: ' : ''}${order}`)),
  ]
  return { ...message, screen: { title: line(title, style), body, enter: null } }
}

function sentence(text: string): string {
  return `${text.slice(0, 1).toUpperCase()}${text.slice(1)}.`
}
