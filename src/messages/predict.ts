import type { Outcomes } from '../core/decide/outcomes.ts'
import type { Reproduction } from '../core/initramfs/reproduction.ts'
import { describeDifference } from '../core/initramfs/reproduction-words.ts'
import { renderPcrTable } from '../core/launch/render-pcr-table.ts'
import type { Prediction } from '../observe/launch/vouch-evidence.ts'
import type { Message } from '../ui/message.ts'
import { type Line, line } from '../ui/ui.ts'
import { findingLine, predictAgain, vouchLines } from './vouch.ts'

/** Messages stand four columns in. */
const TABLE_COLUMNS = 76

/** What is told beside the prediction itself. */
export type PredictionContext = {
  /** Label of another device than the one this boot came from. */
  readonly device?: string | null
  /** What came of making an initramfs again. */
  readonly reproductions?: readonly Reproduction[]
  /** The AEM entry that this boot came from, as GRUB's default names it. */
  readonly aemEntry?: string | null
}

/** What a prediction says: the registers, the entry, and each refusal in its own words. */
export function describePrediction(
  outcome: Outcomes['predict'],
  prediction: Prediction,
  unvouched: readonly string[],
  { device = null, reproductions = [], aemEntry = null }: PredictionContext = {},
): Message {
  const faults = unvouched.map((fault) => findingLine(`✖ ${fault}`, 'bad'))
  const differences = reproductions.flatMap((one) =>
    one.state === 'different'
      ? one.differences.map((item) => findingLine(`• ${describeDifference(item)}`))
      : [],
  )
  const details = [...predictionLines(prediction), ...vouchLines(prediction), ...faults, ...differences]
  const message = PREDICT[outcome](prediction, { device, aemEntry })
  if (device === null) return { ...message, details }
  return { ...message, ...FOR_OTHER[outcome](device, message), details }
}

/** `aem-reseal predict`: nothing follows it by itself. @param isOpen is there a session, while which `start` refuses */
export function describePredictionLook(
  outcome: Outcomes['predict'],
  prediction: Prediction,
  unvouched: readonly string[],
  isOpen: boolean,
): Message {
  const message = describePrediction(outcome, prediction, unvouched)
  if (outcome !== 'complete') return message
  const next = isOpen
    ? 'a session is open: `aem-reseal resume` goes on with it'
    : '`aem-reseal start` keeps these values and compares the next boot with them'
  return { ...message, next }
}

/** Of the next boot from another device, for which nothing but a forward seal is asked. */
const FOR_OTHER: {
  readonly [O in Outcomes['predict']]: (device: string, message: Message) => Partial<Message>
} = {
  complete: (device) => ({
    what: `the next boot from ${device} is predicted, register by register`,
    why: 'the same rules reproduce what this boot measured; the files are those on the device',
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
  'initramfs-differs': () => ({}),
  'not-aem-entry': () => ({}),
  'sinit-changed': (device) => ({
    what: `the SINIT module of ${device} is not the one that this boot used`,
    why: 'what another SINIT module measures is not known beforehand',
    next: `nothing is sealed. Boot once from ${device} with its AEM entry, if you changed it: AEM seals to that boot by itself, unseen`,
  }),
  'luks-header-changed': () => ({
    next: 'nothing is sealed. Look at it before you restart: sudo cryptsetup luksDump. If it was you, run `aem-reseal start` in a terminal and say so',
  }),
  unvouched: (device) => ({
    what: `the next boot from ${device} would measure something that nobody vouches for`,
    why: 'it is on the device now and neither this boot used it, nor did a verified package or this program bring it',
    next: `nothing is sealed. \`aem-reseal devices refresh ${device}\` makes its initramfs again and brings the packages' files; where it is a command line, see who changed GRUB's configuration`,
  }),
}

const PREDICT: {
  readonly [O in Outcomes['predict']]: (
    prediction: Prediction,
    context: Required<Pick<PredictionContext, 'device' | 'aemEntry'>>,
  ) => Message
} = {
  complete: ({ entry }) => ({
    tone: 'good',
    what: `the next boot of “${entry?.title ?? '?'}” is predicted, register by register`,
    brief: 'the next boot is predicted, register by register',
    why: 'the same rules reproduce what this boot measured, from its log and the files that did not change',
  }),
  partial: ({ entry }) => ({
    tone: 'attention',
    what: `the next boot of “${entry?.title ?? '?'}” is predicted in part`,
    why: 'each register that cannot be predicted says why above; nothing is guessed: those are explained from the launch log after the restart',
  }),
  unvouched: () => ({
    tone: 'alarm',
    what: 'the next boot would measure something that nobody vouches for',
    why: 'it is on the boot device now, was not part of this boot, and no verified package brought it; it was changed by hand, or by somebody else',
    next: 'do not restart into it. Find out who changed what is named: a change of your own in /etc/default/grub is written by `sudo grub2-mkconfig -o /boot/grub2/grub.cfg`, and is then shown to you word by word',
  }),
  'not-aem-entry': ({ entry }, { device, aemEntry }) => ({
    tone: 'alarm',
    what: `the entry of GRUB that boots next, “${entry?.title ?? '?'}”, is not an entry of AEM`,
    why: 'it is the default of the boot device (saved_entry or next_entry in grubenv, or custom.cfg); such a boot measures nothing for AEM, so no secret appears and nothing can be sealed to it',
    next: `see who chose it, then make the entry of AEM the default: sudo grub2-set-default '${aemEntry ?? 'AEM Qubes, with Xen hypervisor'}' (on a stick: mount it, and add --boot-directory=DIR), and take a next_entry out of its grubenv; then ${predictAgain(device)}`,
  }),
  'sinit-changed': () => ({
    tone: 'alarm',
    what: 'the SINIT module on the boot device was written since this boot, and dom0 has no such older file',
    why: 'no update of Xen or the kernel writes it, and what another SINIT module measures is not known beforehand',
    next: 'do not restart into it unless you changed it yourself. Then restart with the AEM entry before you go on with the update: AEM seals to that boot by itself, unseen; otherwise find out who did',
  }),
  'luks-header-changed': () => ({
    tone: 'alarm',
    what: 'a LUKS header was changed since this boot, and nobody said that they did it',
    why: 'a passphrase or a key slot was added, removed or changed; AEM measures the headers into PCR 13',
    next: 'look at it before you restart: sudo cryptsetup luksDump. If it was you, run `aem-reseal resume` in a terminal and say so; --yes does not',
  }),
  'initramfs-differs': () => ({
    tone: 'alarm',
    what: 'the initramfs of the next boot is not the one that dom0 makes, and not the one of this boot',
    why: 'a package or a setting changed after it was made, or somebody changed it; what differs is listed',
    next: 'look at the list before you answer the next question',
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
