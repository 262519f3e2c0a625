import type { Outcomes } from '../core/decide/outcomes.ts'
import { PROTECTIONS, type Protection, type ProtectionChoice, type Way } from '../core/decide/protection.ts'
import type { Session } from '../core/session/checkpoint.ts'
import type { Message } from '../ui/message.ts'
import { type Line, line, type Question } from '../ui/ui.ts'
import { nextChangeLines } from './next-changes.ts'

/** What the wizard says about the three ways through the restart: three sentences each. */

const SENTENCES: Readonly<Record<Protection, readonly [string, string, string]>> = {
  'forward-seal': [
    'Your secrets are sealed now to the PCRs that are predicted for the next boot.',
    'Your secret must then appear before you type the passphrase; if it does not, you type nothing.',
    'A wrong prediction looks like an attack: you power off and check the device elsewhere, so choose this if you can do that.',
  ],
  hold: [
    "A drop-in holds AEM's automatic seal, unless every PCR is as predicted, until the change is explained and you accept it.",
    'At the next boot your secret does not appear, and you type the passphrase blind, as after every update.',
    'But nothing is sealed unseen: what an attacker changed does not get your secret at the boots after it.',
  ],
  plain: [
    'AEM does as it always does: it seals by itself to whatever the next boot measures.',
    'At the next boot your secret does not appear, and you type the passphrase blind, as after every update.',
    'The change is explained afterwards, when AEM has sealed already, an attacker’s change included.',
  ],
}

/** The screen before the question. */
export function explainWays(choice: ProtectionChoice): readonly Line[] {
  return PROTECTIONS.flatMap((name) => {
    const way = choice.ways[name]
    const mark = name === choice.recommended ? ' (recommended)' : way.available ? '' : ' (not available)'
    const words = way.available
      ? SENTENCES[name].join(' ')
      : `${SENTENCES[name].join(' ')} Not now: ${way.why}.`
    return [
      line(`  ${name}${mark}`, way.available ? 'bold' : 'dim'),
      line(`    ${words}`, way.available ? undefined : 'dim'),
    ]
  })
}

const LABELS: Readonly<Record<Protection, string>> = {
  'forward-seal': 'forward seal: your sentence must appear at the next boot',
  hold: 'hold: AEM seals only what is predicted or accepted',
  plain: 'plain: AEM seals to whatever boots',
}

/** What changes at the next boot stands above it, and what each way means behind `?`. */
export function protectionQuestion(choice: ProtectionChoice, session: Session): Question<Protection> {
  return {
    id: 'protection',
    message: 'Forward seal, hold, or plain?',
    screen: {
      title: line('Changes at the next boot', 'bold'),
      body: [
        ...nextChangeLines(session),
        line(''),
        ...PROTECTIONS.flatMap((name) => {
          const way = choice.ways[name]
          return way.available ? [] : [line(`Not now: ${name}, because ${way.why}.`, 'dim')]
        }),
      ],
      enter: null,
    },
    more: {
      title: line('The three ways through the restart', 'bold'),
      body: explainWays(choice),
      enter: 'Enter to choose',
    },
    choices: PROTECTIONS.filter((name) => choice.ways[name].available).map((value) => {
      const isNew = value === 'hold' && !choice.isHoldInstalled
      const hint = value === choice.recommended ? 'recommended' : isNew ? 'installs a drop-in' : undefined
      return { value, label: LABELS[value], short: value, hint }
    }),
    default: choice.recommended,
    withYes: choice.withYes,
  }
}

export function describeProtection(
  outcome: Outcomes['choose-protection'],
  wanted: Protection,
  way: Way,
  isAsked: boolean,
): Message {
  if (outcome === 'not-available') {
    return {
      tone: 'attention',
      what: `the restart cannot be gone through by ${wanted}`,
      why: way.available ? null : way.why,
      next: 'fix that, or run `aem-reseal resume` and choose another way (`aem-reseal cancel`, then `aem-reseal start --protect WAY`, names it at once)',
    }
  }
  // The answer stands there already.
  return { tone: 'info', what: LABELS[outcome], ...(isAsked ? { brief: '' } : {}) }
}
