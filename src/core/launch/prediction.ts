import type { ModuleRole } from './boot-entry.ts'
import type { PcrMap } from './launch-log.ts'
import type { CommandLineRule } from './module-digest.ts'
import type { Bank } from './pcr.ts'
import type { Refusal, RefusalCode } from './refusal.ts'

export type PredictedComponent = {
  readonly role: ModuleRole
  readonly path: string | null
  readonly commandLine: string | null
  readonly digest: string
  /** Differs from what this boot measured in its place. */
  readonly changed: boolean
  /** Filled in by the caller, who can ask rpm. */
  readonly package: null
}

export type PredictedPcr = {
  readonly index: number
  readonly bank: Bank
  readonly now: string | null
  readonly predicted: string | null
  readonly reason: string
  readonly code: RefusalCode | null
  readonly components: readonly PredictedComponent[]
}

/** The `predict` document of the contract; `code` and `changed` are additions. */
export type LaunchPrediction = {
  readonly calibrated: boolean
  readonly variant: null | { readonly map: Exclude<PcrMap, 'slaunch'>; readonly commandLine: CommandLineRule }
  readonly entry: null | { readonly title: string }
  readonly refusal: null | Refusal
  readonly pcrs: readonly PredictedPcr[]
}
