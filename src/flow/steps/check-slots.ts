import type { Outcomes } from '../../core/decide/outcomes.ts'
import { listStranded, planSlots } from '../../core/seal/slot-repair.ts'
import { describeSlots, explainSlots, slotQuestion } from '../../messages/slots.ts'
import { observeSlots } from '../../observe/device/freshness-slots.ts'
import type { Step } from '../step.ts'

/** Looked at before a reseal: with equal slots a seal of one device makes the other invalid. */
export const checkSlots: Step<'check-slots'> = async ({ dom0, ui, options }) => {
  const slots = await observeSlots(dom0)
  const plan = planSlots(slots.devices, slots.usable)
  const facts = { ...slots, ...plan }
  const report = (outcome: Outcomes['check-slots']) => ({
    outcome,
    facts,
    message: describeSlots(outcome, plan, slots),
  })
  const isStranded = listStranded(slots.devices, slots.usable).length > 0
  if (plan.shared.length === 0) return report(isStranded ? 'first-slot-only' : 'distinct')
  if (plan.without.length > 0) return report(slots.usable.length === 1 ? 'first-slot-only' : 'no-free-slot')
  if (!options.canAsk) return report('kept')
  ui.say(explainSlots(plan))
  return report((await ui.ask<'yes' | 'no'>(slotQuestion(plan))) === 'yes' ? 'repair' : 'kept')
}
