import type { StepContext } from '../../src/flow/step.ts'
import { observeDom0 } from '../../src/observe/dom0/dom0.ts'

/** What the runner adds for each step: a look of its own. */
export function withLook(context: Omit<StepContext, 'dom0'>): StepContext {
  return { ...context, dom0: observeDom0(context.host) }
}
