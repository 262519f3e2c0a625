import type { Outcomes } from '../core/decide/outcomes.ts'
import { renderPcrTable } from '../core/launch/render-pcr-table.ts'
import type { Message } from '../flow/step.ts'
import type { Prediction } from '../observe/vouch.ts'
import { type Line, line } from '../ui/ui.ts'

/** Messages stand four columns in. */
const TABLE_COLUMNS = 76

/**
 * What a prediction says: the registers, the entry, and each refusal in its own words.
 * @param device label of another device than the one this boot came from
 */
export function describePrediction(
  outcome: Outcomes['predict'],
  prediction: Prediction,
  unvouched: readonly string[],
  device: string | null = null,
): Message {
  const faults = unvouched.map((fault) => line(`✖ ${fault}`, 'bad'))
  const details = [...predictionLines(prediction), ...faults]
  const message = PREDICT[outcome](prediction)
  if (device === null) return { ...message, details }
  return { ...message, ...FOR_OTHER[outcome](device, message), details }
}

/** Of the next boot from another device, for which nothing but a forward seal is asked. */
const FOR_OTHER: {
  readonly [O in Outcomes['predict']]: (device: string, message: Message) => Partial<Message>
} = {
  complete: (device) => ({
    what: `the next boot from ${device} is predicted, register by register`,
    why: 'the same rules reproduce what this boot measured; the files are those on the device',
    next: 'its secrets are sealed to these values',
  }),
  partial: (device) => ({
    what: `the next boot from ${device} is predicted in part`,
    next: `nothing is sealed. Boot once from ${device} with its AEM entry: AEM seals to that boot by itself, unseen`,
  }),
  refused: (device, { why }) => ({
    what: `nothing is predicted for the next boot from ${device}`,
    ...(why ? { why } : {}),
    next: `nothing is sealed. Boot once from ${device} with its AEM entry: AEM seals to that boot by itself, unseen`,
  }),
  unvouched: (device) => ({
    what: `the next boot from ${device} would measure something that nobody vouches for`,
    why: 'it is on the device now and neither this boot used it, nor did a verified package or this program bring it',
    next: `nothing is sealed. \`aem-reseal devices refresh ${device}\` makes its initramfs anew and brings the packages' files; where it is a command line, see who changed GRUB's configuration`,
  }),
}

const PREDICT: { readonly [O in Outcomes['predict']]: (prediction: Prediction) => Message } = {
  complete: ({ entry }) => ({
    tone: 'good',
    what: `the next boot of “${entry?.title ?? '?'}” is predicted, register by register`,
    why: 'the same rules reproduce what this boot measured, from its log and the files that did not change',
    next: 'after the restart the registers are held against these values',
  }),
  partial: ({ entry }) => ({
    tone: 'attention',
    what: `the next boot of “${entry?.title ?? '?'}” is predicted in part`,
    why: 'each register that cannot be predicted says why above; nothing is guessed',
    next: 'those registers must be explained from the launch log after the restart',
  }),
  unvouched: () => ({
    tone: 'alarm',
    what: 'the next boot would measure something that nobody vouches for',
    why: 'it is on the boot device now, was not part of this boot, and no verified package brought it; it was changed by hand, or by somebody else',
    next: 'do not restart into it. If you changed GRUB or the initramfs yourself, do it apart from updates: restart, reseal as the AEM README says, then run this after the next update',
  }),
  refused: ({ refusal }) => ({
    tone: 'attention',
    what: 'nothing is predicted for the next boot',
    why: refusal?.why ?? 'no register could be predicted; each says why above',
    next: `${refusal === null ? '' : `${refusal.next}; `}without a prediction a change is explained after the restart from the launch log of that boot, or not at all`,
  }),
}

function predictionLines({ pcrs, refusal }: Prediction): readonly Line[] {
  const rows = pcrs.map(({ index, bank, now, predicted, reason }) => ({
    index,
    bank,
    before: null,
    now,
    predicted,
    // What refuses everything is said once, as the reason of the whole.
    cause: refusal !== null && reason === refusal.why ? 'not predicted' : reason,
  }))
  return rows.length === 0
    ? []
    : renderPcrTable(rows, { widthColumns: TABLE_COLUMNS }).map((text) => line(text))
}
