import type { Outcomes } from '../core/decide/outcomes.ts'
import { UNREAD_SLOTS } from '../core/seal/freshness.ts'
import { listStranded, type SlotChange, type SlotPlan } from '../core/seal/slot-repair.ts'
import type { Slots } from '../observe/device/freshness-slots.ts'
import type { Message } from '../ui/message.ts'
import { type Line, line, type Question } from '../ui/ui.ts'

/** What is said of devices with the same freshness slot. */

const WHAT_IT_MEANS =
  'AEM 4.2.0 gives slot 0 to every device, by a defect, and the TPM keeps one freshness token in a slot: after each seal of one device the other shows no secret at its next boot, though nothing was changed on it'

function sharedWords({ shared }: SlotPlan): string {
  return shared.map(({ slot, labels }) => `${labels.join(' and ')} (slot ${slot})`).join('; ')
}

function changeWords(changes: readonly SlotChange[]): string {
  return changes.map(({ label, from, to }) => `${label} from slot ${from} to slot ${to}`).join(', ')
}

export function explainSlots(plan: SlotPlan): readonly Line[] {
  const text = `Same freshness slot: ${sharedWords(plan)}. What it means: ${WHAT_IT_MEANS}.`
  const repair = `The repair writes another number into tpm-freshness-slot: ${changeWords(plan.changes)}. The TPM is not touched. A device that moves may show no secret at its next boot; AEM seals into its new slot then, and from there on both stay valid.`
  return [text, repair].map((own) => line(`  ${own}`))
}

export function slotQuestion(plan: SlotPlan): Question<'yes' | 'no'> {
  return {
    id: 'repair-slots',
    message: `Give ${plan.changes.map(({ label }) => label).join(', ')} a freshness slot of its own?`,
    choices: [
      { value: 'no', label: 'no', hint: 'nothing is changed' },
      { value: 'yes', label: 'yes', hint: changeWords(plan.changes) },
    ],
    default: 'no',
    withYes: 'no',
  }
}

export function describeSlots(outcome: Outcomes['check-slots'], plan: SlotPlan, slots: Slots): Message {
  return SLOTS[outcome](plan, slots)
}

/** Says no more than was read: a slot that is not known may be that of another device. */
function describeDistinct({ devices, isComplete }: Slots): Message {
  const unread = devices.filter(({ slot }) => slot === null).map(({ label }) => label)
  const gaps = [
    isComplete ? null : 'not all AEM devices could be listed',
    unread.length > 0 ? `${unread.join(', ')}: no slot is written down, or it cannot be read` : null,
  ].filter((gap) => gap !== null)
  if (devices.length === 0)
    return {
      tone: 'attention',
      what: isComplete ? 'there is no AEM device here' : 'no AEM device could be listed',
      next: '`aem-reseal status` tells what is there',
    }
  if (gaps.length > 0)
    return {
      tone: 'attention',
      what: 'no two AEM devices were seen with the same freshness slot, but not every slot is known',
      why: gaps.join('; '),
      next: 'go on; AEM writes the slot down at its first seal for a device',
    }
  return { tone: 'good', what: 'no two AEM devices have the same freshness slot' }
}

const SLOTS: { readonly [O in Outcomes['check-slots']]: (plan: SlotPlan, slots: Slots) => Message } = {
  distinct: (_plan, slots) => describeDistinct(slots),
  repair: (plan) => ({
    tone: 'info',
    what: `to be changed: ${changeWords(plan.changes)}`,
  }),
  kept: (plan) => ({
    tone: 'attention',
    what: `same freshness slot: ${sharedWords(plan)}; nothing was changed`,
    why: WHAT_IT_MEANS,
    next: 'to repair it later, in a terminal: `aem-reseal devices repair-slots`',
  }),
  'no-free-slot': (plan) => ({
    tone: 'attention',
    what: `same freshness slot: ${sharedWords(plan)}; no slot is free for ${plan.without.join(', ')}`,
    why: WHAT_IT_MEANS,
    next: 'the TPM has 8 slots: take a device that you do not use any more out of AEM, `sudo rm -r /var/lib/anti-evil-maid/LABEL`, then run `aem-reseal devices repair-slots`',
  }),
  'first-slot-only': describeFirstSlotOnly,
}

/** Where no repair helps: with TPM 2.0 one device at a time can show its secret. */
function describeFirstSlotOnly(plan: SlotPlan, slots: Slots): Message {
  const next =
    'keep to one AEM device. At each change to another one its secret cannot appear, so nothing tells an honest boot from a changed one; unless you seal it forward in the boot before: `aem-reseal devices forward-seal LABEL`'
  if (plan.shared.length === 0) {
    const stranded = listStranded(slots.devices, slots.usable)
    const [first] = stranded
    return {
      tone: 'attention',
      what: `${stranded.map(({ label, slot }) => `${label} has freshness slot ${slot}`).join(', ')}, but ${UNREAD_SLOTS}`,
      next: `${next}. To make ${first?.label} that one: \`echo 0 | sudo tee /var/lib/anti-evil-maid/${first?.label}/tpm-freshness-slot\`, then boot from it with its AEM entry`,
    }
  }
  return {
    tone: 'attention',
    what: `same freshness slot: ${sharedWords(plan)}; it cannot be fixed here, and nothing was changed`,
    why: `${WHAT_IT_MEANS}. Another slot would be worse: ${UNREAD_SLOTS} from that device any more`,
    next,
  }
}

export function describeSlotRehearsal(changes: readonly SlotChange[]): Message {
  return {
    tone: 'info',
    what: `it would be changed: ${changeWords(changes)}`,
    next: 'nothing was written in this rehearsal',
  }
}

/** @param why it failed; null where it did not */
export function describeSlotRepair(changes: readonly SlotChange[], why: string | null): Message {
  const labels = changes.map(({ label }) => label).join(', ')
  if (why !== null)
    return {
      tone: 'attention',
      what: `the freshness slot of ${labels} could not be changed: ${why}`,
      next: 'fix the cause, then run `aem-reseal devices repair-slots`, or `aem-reseal resume` where a session is open',
    }
  return {
    tone: 'good',
    what: `changed: ${changeWords(changes)}; no two devices have the same slot now`,
    why: 'AEM writes the token of a device into its slot when it seals for that device, which only a boot from it does rightly',
    next: `boot once from ${labels} with its AEM entry: no secret may appear at that boot; AEM seals into the new slot. Then run \`aem-reseal verify\` there`,
  }
}
