import type { SessionStore } from '../act/session-store.ts'
import type { GivenBulletin } from '../core/bulletin/given-bulletin.ts'
import type { FactsOf } from '../core/decide/facts.ts'
import type { Protection } from '../core/decide/protection.ts'
import type { Session } from '../core/session/checkpoint.ts'
import type { Host } from '../host/host.ts'
import type { Dom0 } from '../observe/dom0/dom0.ts'
import type { Message } from '../ui/message.ts'
import type { Ui } from '../ui/ui.ts'
import type { Outcomes, StepId } from './types.ts'

/** A bulletin the user named, with what its signatures are worth. */
export type RunOptions = {
  readonly bulletin: GivenBulletin | null
  readonly protect: Protection | null
  readonly restart: string | null
  /** Somebody, or --yes, can answer; otherwise optional questions are left out. */
  readonly canAsk: boolean
  /** --yes: no question is asked, and no drop-in is installed. */
  readonly yes?: boolean
  /** A rehearsal on a real machine: reads are real, writes are shown and not done. */
  readonly dryRun: boolean
}

export type StepContext = {
  readonly host: Host
  /** The look of this step; whoever changed the machine takes another (observe/dom0/dom0.ts). */
  readonly dom0: Dom0
  readonly ui: Ui
  readonly store: SessionStore
  readonly options: RunOptions
  /** As it stands; steps answer with changes to it, the runner keeps it. */
  readonly session: Session
  /** Restarts the machine in a rehearsal; null where only the user can. */
  readonly simulateRestart: (() => Promise<void>) | null
}

export type StepReport<S extends StepId> = {
  readonly outcome: Outcomes[S]
  /** Serialisable; the contract's JSON shows it. */
  readonly facts: FactsOf<S>
  readonly message: Message
  readonly session?: Partial<Session>
}

export type Step<S extends StepId> = (context: StepContext) => Promise<StepReport<S>>

export type Steps = { readonly [S in StepId]: Step<S> }

export type AnyStepReport = Omit<StepReport<StepId>, 'outcome' | 'facts'> & {
  readonly outcome: string
  readonly facts: Readonly<Record<string, unknown>>
}

/** What the runner sees of a step; the flow's data gives each outcome its meaning. */
export type AnyStep = (context: StepContext) => Promise<AnyStepReport>
