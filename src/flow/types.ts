import type { FactsOf } from '../core/decide/facts.ts'
import type { Outcomes } from '../core/decide/outcomes.ts'
import type { Session } from '../core/session/checkpoint.ts'

export type { Outcomes }

export type StepId = keyof Outcomes

/** Where a flow ends; each end has one exit code (docs/contract.md). */
export type End =
  | { readonly end: 'done' }
  | { readonly end: 'attention' }
  | { readonly end: 'waiting-for-restart' }
  | { readonly end: 'unexplained' }

export type Target = StepId | End

export type StepSpec<S extends StepId> = {
  readonly title: string
  /** What it looks at, in the words of the documents. */
  readonly observes: string
  /** The question it asks, if any. */
  readonly asks?: string
  /** What it changes, if anything; such a step is entered only from a gate or a question. */
  readonly does?: string
  /** The session is written to disk before the step begins. */
  readonly checkpoint?: true
  /** The step closes the session itself: nothing is kept after it. */
  readonly closes?: true
  /** The fact of the step with what only `cancel` takes back: while it is there, an end that asks for attention keeps the session. */
  readonly leaves?: keyof FactsOf<S> & string
  readonly on: { readonly [O in Outcomes[S]]: Target }
}

/** A flow as data: no closures, no logic. */
export type Flow = {
  readonly id: Session['flow']
  readonly title: string
  readonly start: StepId
  readonly steps: { readonly [S in StepId]?: StepSpec<S> }
}

export const DONE = { end: 'done' } as const
export const ATTENTION = { end: 'attention' } as const
export const WAITING = { end: 'waiting-for-restart' } as const
export const UNEXPLAINED = { end: 'unexplained' } as const
