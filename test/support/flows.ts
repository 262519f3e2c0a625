import { FLOWS } from '../../flows/index.ts'
import type { Flow, StepId, StepSpec, Target } from '../../src/flow/types.ts'

export { FLOWS }

export function specOf(flow: Flow, id: StepId): StepSpec<StepId> {
  const spec = flow.steps[id] as StepSpec<StepId> | undefined
  if (!spec) throw new Error(`flow ${flow.id} has no step ${id}`)
  return spec
}

export function stepIdsOf(flow: Flow): readonly StepId[] {
  return Object.keys(flow.steps) as StepId[]
}

export function edgesOf(flow: Flow, id: StepId): readonly (readonly [string, Target])[] {
  return Object.entries(specOf(flow, id).on) as unknown as readonly (readonly [string, Target])[]
}

/** The steps that one step leads to. */
export function nextStepsOf(flow: Flow, id: StepId): readonly StepId[] {
  return edgesOf(flow, id).flatMap(([, target]) => (typeof target === 'string' ? [target] : []))
}

/** Every step that can be reached from the given ones. */
export function reachableFrom(flow: Flow, from: readonly StepId[]): ReadonlySet<StepId> {
  const reached = new Set<StepId>(from)
  const pending = [...from]
  for (let id = pending.pop(); id !== undefined; id = pending.pop()) {
    for (const next of nextStepsOf(flow, id)) {
      if (reached.has(next)) continue
      reached.add(next)
      pending.push(next)
    }
  }
  return reached
}
