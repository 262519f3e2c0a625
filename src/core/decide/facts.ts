import type { Verdict } from '../launch/explain-types.ts'
import type { CommandLineRule } from '../launch/module-digest.ts'
import type { ForwardRecord } from '../seal/forward-record.ts'
import type { DeviceLeft } from './device-need.ts'
import type { Outcomes } from './outcomes.ts'

/** An initramfs that was made again, as far as later steps read what came of it (core/initramfs/reproduction.ts). */
export type MadeAgain = {
  /** As GRUB names it. */
  readonly image: string
  readonly state: string
  /** Of the image, where both are the same bytes. */
  readonly sha256?: string | undefined
  /** What dom0 makes now, where that is another image. */
  readonly fresh?: { readonly path: string; readonly sha256: string } | null | undefined
}

/** What a person saw and called their own: the kernel modules of an image, or a command line. */
export type Accepted = {
  readonly kind: string
  readonly path: string
  readonly sha256?: string | undefined
}

export type Reproduced = {
  readonly reproductions?: readonly MadeAgain[] | undefined
  readonly accepted?: readonly Accepted[] | undefined
}

/** What a person says of their own sentence in a boot. */
export const SECRET_ANSWERS = ['yes', 'no', 'not-sure'] as const
export type SecretAnswer = (typeof SECRET_ANSWERS)[number]

/**
 * What a step's facts hand on to later steps, kept in the session (core/session/kept-answers.ts has the form). Beside it they hold
 * what the report and the JSON tell; the steps that are not named here hand on nothing.
 */
export type Facts = {
  readonly predict: Reproduced & {
    /** A person called changed LUKS headers their own; null: nobody was asked. */
    readonly luksHeaderAccepted?: boolean | null | undefined
    /** PCR 13 of those headers. */
    readonly luksHeaderValue?: string | null | undefined
  }
  readonly explain: Reproduced & {
    readonly verdict: Verdict
    readonly alreadyResealed?: boolean | null | undefined
    readonly pcrs: readonly ExplainedRegister[]
    readonly reasons: readonly { readonly code: string; readonly what: string }[]
  }
  readonly 'ask-secret': {
    /** What the person said; null: they were not asked. */
    readonly answer?: SecretAnswer | null | undefined
    /** Of which boot. */
    readonly bootId?: string | null | undefined
  }
  readonly 'confirm-secret': {
    /** What AEM's journal said of the secret; null: nothing. */
    readonly unseal?: string | null | undefined
  }
  readonly 'forward-seal': { readonly record?: ForwardRecord | null | undefined }
  readonly 'next-device': { readonly work?: readonly DeviceLeft[] | undefined }
}

/** A register of the explanation. */
export type ExplainedRegister = {
  readonly index: number
  readonly bank: string
  /** null: it was not read. */
  readonly now?: string | null | undefined
  /** null: nothing was predicted. */
  readonly predicted?: string | null | undefined
  readonly change?: string | undefined
  readonly causes?:
    | readonly { readonly package?: { readonly name: string; readonly evr: string } | null | undefined }[]
    | undefined
}

/** What is told and never read again. */
type Told = Readonly<Record<string, unknown>>

/** The facts of a step as it reports them. */
export type FactsOf<S extends keyof Outcomes> = S extends keyof Facts ? Facts[S] & Told : Told

/** The latest facts of each step. */
export type Findings = { readonly [S in keyof Facts]?: (Facts[S] & Told) | undefined } & Told

/** What a session keeps of the prediction, as far as it is read again. */
export type KeptPrediction = Told & {
  readonly variant?: { readonly commandLine: CommandLineRule } | null | undefined
  readonly pcrs: readonly (Told & {
    readonly index: number
    readonly bank: string
    readonly predicted: string | null
    readonly vouched?: boolean | undefined
    readonly components?: readonly KeptComponent[] | undefined
  })[]
}

/** A component of a prediction, as far as it is read again: the package is that of its file then. */
export type KeptComponent = Told & {
  readonly role: string
  readonly path?: string | null | undefined
  readonly package?:
    | (Told & { readonly name: string; readonly evr: string; readonly signer?: string | null | undefined })
    | null
    | undefined
}
