import type { Outcomes } from '../core/decide/outcomes.ts'
import { CANCEL_AND_START } from '../core/decide/preparedness.ts'
import { describeWordChange } from '../core/vouch/command-line.ts'
import type { OpenQuestion } from '../core/vouch/vouched-by.ts'
import type { Prediction } from '../observe/launch/vouch-evidence.ts'
import type { Message } from '../ui/message.ts'
import type { Line, Question } from '../ui/ui.ts'

/** The question shows the difference itself; --yes never takes it. */
export function vouchQuestion(question: OpenQuestion): Question<'yes' | 'no'> {
  const choices = [
    { value: 'no' as const, label: 'no', hint: 'stop here; nothing is sealed' },
    { value: 'yes' as const, label: 'yes', hint: 'I made this change, and it is what I want to boot' },
  ]
  const common = { choices, default: 'no' as const, withYes: 'no' as const }
  if (question.kind === 'command-line')
    return {
      ...common,
      id: 'accept-command-line',
      message: `The command line of ${question.path} changes: ${describeWordChange(question)}. dom0's configuration (/etc/default/grub) writes this. Did you make this change?`,
    }
  const { onlyInImage, onlyLoadedNow } = question
  const names = [...onlyInImage.map((name) => `+ ${name}`), ...onlyLoadedNow.map((name) => `- ${name}`)]
  return {
    ...common,
    id: 'accept-modules',
    message: `${question.path} was made while other kernel modules were loaded: ${names.join(', ')}. All else in it is what dom0 makes now. Is that from your hardware (a stick, a dock, another disk)?`,
  }
}

/** One finding; what does not fit on its line goes on below, set in. */
export function findingLine(text: string, style?: Line['style']): Line {
  return { text, style, hang: 2 }
}

/** Headers show no words: a person knows whether they changed a passphrase. @param uuids of the LUKS devices of this boot */
export function luksHeaderQuestion(uuids: readonly string[]): Question<'yes' | 'no'> {
  const named = uuids.length === 0 ? '' : ` (${uuids.join(', ')})`
  return {
    id: 'accept-luks-header',
    message: `A LUKS header${named} is not the one that this boot measured: a passphrase or a key slot was changed since. Did you do that?`,
    choices: [
      { value: 'no', label: 'no', hint: 'stop here; nothing is sealed' },
      { value: 'yes', label: 'yes', hint: 'I changed a passphrase or a key slot since this boot' },
    ],
    default: 'no',
    withYes: 'no',
  }
}

/** What vouches for each component of the next boot, one line each; those that are unchanged share one. */
export function vouchLines({ pcrs }: Prediction): readonly Line[] {
  const components = new Map(
    pcrs
      .flatMap((pcr) => pcr.components)
      .map((component) => [`${component.role} ${component.path}`, component]),
  )
  const unchanged = [...components.values()].filter(({ vouchedBy }) => vouchedBy.rule === 'unchanged')
  const others = [...components.values()].filter(({ vouchedBy }) => vouchedBy.rule !== 'unchanged')
  return [
    ...others.flatMap(({ path, role, vouchedBy }) =>
      vouchedBy.rule === null
        ? []
        : [findingLine(`✔ ${path ?? role}: ${vouchedBy.rule}: ${vouchedBy.why}`, 'good')],
    ),
    ...(unchanged.length > 0
      ? [
          findingLine(
            `✔ as this boot measured them: ${unchanged.map(({ path, role }) => path ?? role).join(', ')}`,
            'good',
          ),
        ]
      : []),
  ]
}

/**
 * How the prediction is made again once something was put right: `start` refuses while its session is open.
 * @param device label of another device than the one this boot came from
 */
export function predictAgain(device: string | null): string {
  return device === null ? CANCEL_AND_START : `\`aem-reseal devices forward-seal ${device}\``
}

/** An initramfs that dom0 does not make, and what became of the offer to replace it. */
export function describeReplacement(
  outcome: Outcomes['replace-initramfs'],
  image: string | null,
  device: string | null,
  why: string | null = null,
): Message {
  const name = image ?? 'the initramfs'
  if (outcome === 'replaced')
    return {
      tone: 'good',
      what: `${name} is now the one that dom0 makes`,
    }
  if (outcome === 'kept')
    return {
      tone: 'attention',
      what: `${name} stays as it is, and nothing vouches for it`,
      next: `nothing is sealed. Find out who changed it; ${predictAgain(device)} offers to replace it again`,
    }
  return {
    tone: 'attention',
    what: `${name} was not replaced`,
    ...(why === null ? { why: 'the image that dom0 made is not there any more' } : { why }),
    next: `${predictAgain(device)} makes the image again`,
  }
}
