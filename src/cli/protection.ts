import type { ProtectionState } from '../core/decide/protection-state.ts'
import { constantOf, PCR } from '../core/launch/pcr.ts'
import type { Session } from '../core/session/checkpoint.ts'
import type { HeldNote } from '../core/session/held-note.ts'
import {
  commandOf,
  type ReasonFacts,
  type SaidReason,
  STATE_WORDS,
  sayReasons,
} from '../messages/protection-state.ts'
import { describeBootCheck } from '../messages/since-approved.ts'
import { nameUpdates } from '../messages/updates.ts'
import { groupBadPcrs, type ProtectionLook } from '../observe/dom0/protection-state.ts'
import type { StatusFacts } from '../observe/dom0/status.ts'
import type { BootCheck } from '../observe/launch/boot-check.ts'
import { fold } from '../ui/fold.ts'
import type { Line } from '../ui/ui.ts'

export type ProtectionAnswer = {
  readonly state: ProtectionState
  readonly reasons: readonly SaidReason[]
}

/** The contract's `protection` of `status`. */
export function toProtectionAnswer(
  look: ProtectionLook,
  facts: StatusFacts,
  { session, held, boot }: { session: Session | null; held: HeldNote | null; boot: BootCheck | null },
): ProtectionAnswer {
  return {
    state: look.state,
    reasons: sayReasons(look.reasons, toReasonFacts(look, facts, session, held, boot)),
  }
}

function toReasonFacts(
  look: ProtectionLook,
  facts: StatusFacts,
  session: Session | null,
  held: HeldNote | null,
  boot: BootCheck | null,
): ReasonFacts {
  const { machine, tpm, aem } = facts
  const { traces, booted, seal, logFailure } = look
  const { nextEntry } = booted ?? { nextEntry: null }
  const drtm = tpm.bank === null ? undefined : tpm.pcrs[tpm.bank]?.[PCR.drtm]
  return {
    label: booted?.label ?? 'the AEM device',
    pcrs: { bad: groupBadPcrs(facts) },
    unreadPcrs: look.unreadPcrs,
    selected: aem.selectedPcrs ?? [],
    selection: aem.selection,
    flavour: aem.flavour,
    drtm: drtm === undefined ? null : constantOf(drtm),
    txtError: traces?.txtError ?? null,
    launchedBy: traces?.xen === true ? 'Xen' : traces?.txt === true ? 'txt-stat' : null,
    sealWords:
      seal.journal?.sanityCheckFailed === true
        ? 'its PCR sanity check failed'
        : (/\((.*)\)/.exec(seal.journal?.sealFailed ?? '')?.[1] ?? null),
    unseal: seal.journal?.unseal ?? null,
    heldWhy: held?.why ?? null,
    changedOn: look.changedOn,
    slotTakers: look.slotTakers,
    nextEntry:
      nextEntry === null ? null : nextEntry.kind === 'unknown' ? nextEntry.why : `"${nextEntry.title}"`,
    bootWords: boot === null ? null : describeBootCheck(boot).text,
    logFailure: logFailure === null ? null : { what: logFailure.text.what, next: logFailure.text.next },
    session,
    updated: nameUpdates(facts.updates),
    isSameBoot: session?.baseline?.bootId != null && session.baseline.bootId === machine.bootId,
  }
}

const LABEL_WIDTH = 18
/** Of a terminal of 24 lines of 80; the last is the shell's own. */
const SCREEN_LINES = 23
export const SCREEN_COLUMNS = 80

/**
 * The row `protection` of the screen, with as many reasons as fit; the first one always.
 * @param others lines of the screen beside these
 */
export function protectionLines({ state, reasons }: ProtectionAnswer, others: number): readonly Line[] {
  const room = SCREEN_LINES - others - 2
  const style = state === 'protected' ? 'good' : state === 'not-protected' ? 'bad' : 'warn'
  const row = (label: string, text: string): Line => ({
    text: `${label.padEnd(LABEL_WIDTH)}${text}`,
    style,
    hang: LABEL_WIDTH,
  })
  const shown: string[] = []
  let [count, height] = [0, 0]
  for (const { what } of reasons) {
    height += fold(row('', what), SCREEN_COLUMNS).length
    if (count > 0 && height > room) break
    shown.push(what)
    count += 1
  }
  const left = reasons.length - count
  const more = left > 0 ? [`and ${left} more: \`aem-reseal status --json\` has them all`] : []
  return [row('protection', STATE_WORDS[state]), ...[...shown, ...more].map((text) => row('', text))]
}

/** What `next` of status says for a reason. */
export function nextOfReason({ code, what, next }: SaidReason): {
  readonly command: string | null
  readonly why: string
} {
  return { command: commandOf(code), why: `${what}. Next: ${next}` }
}
