import type { Outcomes } from '../core/decide/outcomes.ts'
import type { Ground, GroundProblem, Word } from '../core/vouch/ground.ts'
import type { GroundDifference } from '../core/vouch/ground-differences.ts'
import type { Message } from '../ui/message.ts'
import { type Line, line, type Question } from '../ui/ui.ts'
import { stateWords } from './known-state.ts'

/** What is said of this boot itself, before anything is predicted from it. */

export const SECRET_QUESTION: Question<'yes' | 'no'> = {
  id: 'ground-secret',
  message:
    "AEM's journal does not say whether the TPM released your secret in this boot. Did your own sentence appear, before you typed the disk passphrase?",
  choices: [
    { value: 'no', label: 'no', hint: 'or I am not sure' },
    { value: 'yes', label: 'yes' },
  ],
  default: 'no',
  withYes: 'no',
}

export const GO_ON_QUESTION: Question<'yes' | 'no'> = {
  id: 'ground-go-on',
  message: 'Nothing vouches for this boot. Do you know why, and go on all the same?',
  choices: [
    { value: 'no', label: 'no', hint: 'stop here; nothing is sealed' },
    { value: 'yes', label: 'yes', hint: 'such as after an update that you made without this program' },
  ],
  default: 'no',
  withYes: 'no',
}

export type GroundTold = {
  readonly ground: Ground
  readonly word: Word
  /** The device that is to be sealed forward, where it is another one than was booted. */
  readonly device: string | null
  /** null: not traced, or not looked for. */
  readonly differences?: readonly GroundDifference[] | null
  readonly untraced?: string | null
}

export function describeGround(outcome: Outcomes['check-ground'], told: GroundTold): Message {
  if (outcome === 'vouched') return describeVouched(told)
  const problem = problemOf(told.ground)
  if (outcome === 'gone-on')
    return {
      tone: 'attention',
      what: `you go on although nothing vouches for this boot: ${problem}`,
      why: 'what the next boot is compared with is worth what this one is worth; the report says that you went on',
    }
  return {
    tone: 'alarm',
    what: `nothing vouches for this boot: ${problem}`,
    why: WHY,
    details: differenceLines(told),
    next:
      told.ground.state === 'not-vouched' && told.ground.why === 'device-not-approved' ? NEXT_DEVICE : NEXT,
  }
}

/** Of a recorded machine, which nobody can be asked about. */
export function describeUnaskedGround(): Message {
  return {
    tone: 'attention',
    what: "AEM's journal is silent: whether the secret appeared in this boot is not known",
    why: 'on the machine itself you are asked; this is a recording, and nothing is sealed from it',
  }
}

/** The same, before the question. */
export function explainGround(told: GroundTold): readonly Line[] {
  return [
    line(`  Nothing vouches for this boot: ${problemOf(told.ground)}.`, 'bad'),
    ...differenceLines(told).map(({ text, style }) => line(`    ${text}`, style)),
    line(`  ${WHY}.`),
  ]
}

const WHY =
  'AEM seals to whatever booted, so a secret that appears after such a boot says nothing; a forward seal made from here could hand it to an attacker’s boot'

const NEXT =
  'if you updated without this program, run this again in a terminal, without --yes, and go on after reading; if not, read `aem-reseal help alarm`'

const NEXT_DEVICE =
  'boot from the device that is approved, then `aem-reseal devices` says how this one is brought up to date and sealed. If you set it up yourself, and nobody else had it in hand, run this again in a terminal, without --yes, and go on after reading; else read `aem-reseal help alarm`'

function describeVouched(told: GroundTold): Message {
  const { ground, word } = told
  if (ground.state !== 'vouched') throw new Error('only a vouched boot is described so')
  const released = word === 'yes' ? 'your secret appeared in this boot, by your word' : RELEASED
  if (ground.by === 'accepted')
    return { tone: 'good', what: `you accepted this boot in \`resume\` (${ground.since})` }
  if (ground.by === 'approved-state' || ground.by === 'believed-state')
    return {
      tone: 'good',
      what: `${released}, and its registers are those ${stateWords(ground.since, ground.by === 'believed-state')}`,
    }
  const first = 'no state was approved here yet'
  return {
    tone: 'good',
    what: released,
    // Said on the compact screen too: this is the one boot that is believed though nobody ever looked.
    brief: `${released}; it vouches for what AEM sealed last, unseen: ${first}`,
    why: `${first}: it vouches for what AEM sealed last, unseen`,
  }
}

const RELEASED = 'the TPM released your secret in this boot'

function problemOf(ground: Ground): string {
  if (ground.state !== 'not-vouched') throw new Error('only a boot that is not vouched for has a problem')
  return PROBLEM[ground.why](
    ground.registers.join(', '),
    stateWords(ground.since, ground.isBelieved === true),
  )
}

const PROBLEM: { readonly [P in GroundProblem]: (registers: string, state: string) => string } = {
  'list-unreadable': () =>
    'what was approved before cannot be read (devices.json in the state directory, see `aem-reseal devices`)',
  'other-bank': () => 'the TPM is of another kind than the one a state was approved with',
  'registers-unreadable': (registers) => `PCR ${registers} cannot be read`,
  'device-not-approved': (registers, state) =>
    `no boot from this device was approved in the present state, and PCR ${registers} ${registers.includes(',') ? 'are' : 'is'} not shown to be what the boot ${state} has from it`,
  'registers-differ': (registers, state) =>
    `PCR ${registers} ${registers.includes(',') ? 'are' : 'is'} not as in the state ${state}`,
  'registers-unknown': (registers, state) =>
    `AEM seals to PCR ${registers} since the state ${state}, and nothing says what was approved of it`,
  'secret-refused': () =>
    'the TPM refused your secret in this boot (freshness token unsealing failed), and nobody accepted it since',
  'secret-invalid': () =>
    'the freshness token that was released in this boot is not the current one: an old copy of the device, or a seal for another device took its slot',
  'secret-not-seen': () => 'AEM’s journal is silent, and you did not see your secret',
  'secret-unknown': () =>
    'AEM’s journal does not say whether the secret was released, and nobody could be asked',
}

function differenceLines({ ground, differences, untraced }: GroundTold): readonly Line[] {
  const since = ground.state === 'not-vouched' ? ground.since : null
  if (since === null) return []
  if (differences === undefined || differences === null)
    return [
      line(`what changed since the approved boot cannot be traced: ${untraced ?? 'not looked for'}`, 'dim'),
    ]
  if (differences.length === 0)
    return [line('by the launch log, what was measured is what was approved', 'dim')]
  return [
    line('by the launch log, since the last approved boot:'),
    ...differences.map((one) => line(`  ${differenceWords(one)}`, 'warn')),
  ]
}

const ROLES: Readonly<Record<GroundDifference['role'], string>> = {
  mle: 'tboot',
  xen: 'Xen',
  kernel: 'the kernel',
  initramfs: 'the initramfs',
  module: 'a further module',
  platform: 'the SINIT module, or how the CPU launched it',
  policy: 'the launch policy',
  other: 'something the log does not name',
  'xen-entry': 'the place where Xen is entered',
  'boot-info': 'the boot information that GRUB hands to Xen',
  'launch-info': 'what GRUB notes about the processor and the launch',
  'command-line': 'a command line',
}

function differenceWords({ pcr, role, path, kind, commandLine }: GroundDifference): string {
  const name = `PCR ${pcr}: ${ROLES[role]}${path === null ? '' : ` ${path}`}`
  if (kind === 'contents') return `${name} has other contents`
  if (kind === 'measured') return `${name} was measured otherwise`
  if (kind === 'added') return `${name} was not measured before`
  if (kind === 'removed') return `${name} is measured no more`
  if (kind === 'order') return `${name}: the same things were measured in another order`
  return `${name} has another command line: ${lineWords(commandLine)}`
}

/** Word by word, as in a shell that separates at blanks: what came, what went. */
function lineWords(lines: GroundDifference['commandLine']): string {
  const split = (text: string | null | undefined): readonly string[] =>
    (text ?? '').split(' ').filter(Boolean)
  const [before, now] = [split(lines?.before), split(lines?.now)]
  const added = now.filter((word) => !before.includes(word)).map((word) => `+ ${word}`)
  const gone = before.filter((word) => !now.includes(word)).map((word) => `- ${word}`)
  return [...added, ...gone].join(', ') || 'the same words otherwise'
}
