import { planSlots } from '../../core/seal/slot-repair.ts'
import { describeSlots, explainSlots, slotQuestion } from '../../messages/slots.ts'
import { observeSlots } from '../../observe/slots.ts'
import type { Step } from '../step.ts'

/** Looked at before a reseal: with equal slots a seal of one device makes the other invalid. */
export const checkSlots: Step<'check-slots'> = async ({ host, ui, options }) => {
  const slots = await observeSlots(host)
  const plan = planSlots(slots.devices)
  const facts = { ...slots, ...plan }
  const report = (outcome: 'distinct' | 'repair' | 'kept' | 'no-free-slot') => ({
    outcome,
    facts,
    message: describeSlots(outcome, plan, slots),
  })
  if (plan.shared.length === 0) return report('distinct')
  if (plan.without.length > 0) return report('no-free-slot')
  if (!options.canAsk) return report('kept')
  ui.say(explainSlots(plan))
  return report((await ui.ask<'yes' | 'no'>(slotQuestion(plan))) === 'yes' ? 'repair' : 'kept')
}
