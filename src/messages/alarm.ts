import { adviceFor, orderOf } from '../core/launch/explain-advice.ts'
import type { Explanation } from '../observe/launch/verdict.ts'
import type { Message } from '../ui/message.ts'
import { line, type Screen } from '../ui/ui.ts'

/*
 * The alarm as one screen: the verdict, the one file or register, what AEM did already, orders in the order they are followed, and
 * the verdict again. `--details`, `explain` and the report have every finding and the whole advice.
 */

/** What AEM did already, and what that means. */
const RESEALED: Readonly<Record<'yes' | 'no' | 'unknown', readonly [string, string]>> = {
  yes: [
    'AEM has sealed to it by itself already',
    ': from now on your secret may be shown to whoever controls this boot chain, so it vouches for nothing until you change it from a trusted state',
  ],
  no: ['AEM has sealed nothing to it in this boot', ''],
  unknown: [
    'whether AEM has sealed to this state already could not be determined',
    ': take it that it has, so your secret vouches for nothing until you change it from a trusted state',
  ],
}

function resealedWords(alreadyResealed: boolean | null): readonly [string, string] {
  return RESEALED[alreadyResealed === null ? 'unknown' : alreadyResealed ? 'yes' : 'no']
}

/** In a message, all of it. */
export function explainResealed(alreadyResealed: boolean | null): string {
  return resealedWords(alreadyResealed).join('')
}

/** What names a file comes before what names a register, and what was booted before the file that says so. */
const TELLING: readonly string[] = [
  'package-modified',
  'wrong-file',
  'no-package',
  'signer-unknown',
  'command-line-changed',
  'module-added',
  'module-removed',
  'module-order-changed',
  'odd-entry',
  'boot-file-changed',
  'boot-file-not-packaged',
]

/** The one file or register that the alarm names, with the registers that moved. */
function findingWords({ pcrs, reasons }: Pick<Explanation, 'pcrs' | 'reasons'>): readonly string[] {
  const blocking = reasons.filter(({ isBlocking }) => isBlocking)
  const rank = (code: string): number => (TELLING.includes(code) ? TELLING.indexOf(code) : TELLING.length)
  const [first, ...others] = blocking.toSorted((a, b) => rank(a.code) - rank(b.code))
  if (first === undefined) return []
  const moved = pcrs.filter(({ change }) => change === 'unexpected').map(({ index }) => index)
  const more = others.length > 0 ? ` (and ${others.length} more)` : ''
  return [`${moved.length > 0 ? `PCR ${moved.join(', ')}: ` : ''}${first.what}${more}.`]
}

/** @param last the order that the last line repeats; null: the verdict alone */
function alarmScreen(
  title: string,
  told: readonly string[],
  orders: readonly string[],
  last: string | null,
): Screen {
  return {
    title: line(`✖ ${title}`, 'bad'),
    body: [
      ...told.map((text) => line(capitalize(text))),
      {
        text: 'To photograph before you power off: `aem-reseal explain --details`',
        style: 'dim',
        isSpare: true,
      },
      line(''),
      line('next: do this, in this order', 'bold'),
      ...orders.map((text, at) => line(`${at + 1}. ${capitalize(text)}.`)),
      line(`✖ ${title}${last === null ? '' : `: ${last}`}`, 'bad'),
    ],
    enter: null,
  }
}

function capitalize(text: string): string {
  return `${text.slice(0, 1).toUpperCase()}${text.slice(1)}`
}

const POWER_OFF = 'power off now'

/** The screen of an unexplained change. */
export function unexplainedScreen(explanation: Explanation, title = 'UNEXPLAINED CHANGE'): Screen {
  const { advice, alreadyResealed } = explanation
  const orders = advice.map(orderOf)
  const told = [...findingWords(explanation), `${resealedWords(alreadyResealed)[0]}.`]
  return alarmScreen(title, told, orders, orders[0]?.startsWith(POWER_OFF) ? POWER_OFF : null)
}

/** A person did not see their sentence, though only the boot that was checked could not show it. */
export function describeNoSecret(explanation: Explanation): Message {
  const { verdict, alreadyResealed } = explanation
  // What was compared says whether something else booted; that a sentence is missing does not.
  const title =
    verdict === 'unexplained'
      ? 'NO SECRET, and something else booted'
      : 'NO SECRET: nothing vouches for this boot'
  const advice = verdict === 'unexplained' ? explanation.advice : adviceFor('unexplained', alreadyResealed)
  const found =
    verdict === 'unexplained'
      ? findingWords(explanation)
      : ['nothing was found that explains it; what a changed boot says of itself proves nothing.']
  const orders = advice.map(orderOf)
  return {
    tone: 'alarm',
    what: 'NO SECRET: it was sealed for exactly the boot that was checked, and you did not see it',
    why: [...found, explainResealed(alreadyResealed)].join(' '),
    next: numbered(advice),
    screen: alarmScreen(
      title,
      [...found, `${resealedWords(alreadyResealed)[0]}.`],
      orders,
      orders[0]?.startsWith(POWER_OFF) ? POWER_OFF : null,
    ),
  }
}

export function numbered(advice: readonly string[]): string {
  return advice.map((text, index) => `${index + 1}. ${text}`).join('\n')
}
