import type { Failure } from '../failure.ts'
import type { BootEntry, ModuleRole } from './boot-entry.ts'
import type { ImageDigest } from './image-digest.ts'
import type { Digests, LaunchLog } from './launch-log.ts'
import type { CommandLineRule } from './module-digest.ts'
import type { Bank, PcrBanks } from './pcr.ts'
import type { XenMle } from './xen-mle.ts'

/** What an extend stands for; the last four are TrenchBoot's (EventOrigin in launch-log.ts). */
export const MEASURED_ROLES = [
  ...(['mle', 'xen', 'kernel', 'initramfs', 'module', 'platform', 'policy', 'other'] as const),
  ...(['xen-entry', 'boot-info', 'launch-info', 'command-line'] as const),
] as const

export type MeasuredRole = (typeof MEASURED_ROLES)[number]

/** What a boot measured, one extend after the other: kept in the checkpoint before the restart. */
export type MeasuredComponent = {
  readonly role: MeasuredRole
  readonly path: string | null
  readonly commandLine: string | null
  readonly pcr: number
  readonly digests: Digests
}

/** The package a file belongs to, as rpm and the keyring say it. */
export type PackageFact = {
  readonly name: string
  readonly evr: string
  readonly signer: string | null
  /** The signature is good and the key is one we know. */
  readonly signerKnown: boolean
  /** What stands against its signature, in words to put behind its name. */
  readonly signatureFault?: string | null
  readonly installTime: string | null
  /** `rpm -V` finds the file as packaged; null when it could not be asked. */
  readonly unmodified: boolean | null
}

/** A file on the boot device now. */
export type FileFact = {
  /** As GRUB names it. */
  readonly path: string
  readonly image: ImageDigest | null
  readonly package: PackageFact | null
  /**
   * An initramfs that dom0 made again before the restart, byte for byte, or whose difference a person accepted then; or one
   * that this program made from dom0's own files, or saw measured in a boot that was vouched for.
   */
  readonly reproduced?: boolean
  /** Xen's launch hashes under TrenchBoot; null or missing where the file gives none. */
  readonly xen?: XenMle | null
  /** Id of the bulletin that asked for this package, such as `103`. */
  readonly bulletin: string | null
}

export type PredictedRegister = {
  readonly index: number
  readonly bank: string
  readonly predicted: string | null
  /** With the packages that the files were of when it was predicted. */
  readonly components?:
    | readonly {
        readonly role: string
        readonly path?: string | null | undefined
        readonly package?:
          | { readonly name: string; readonly evr: string; readonly signer?: string | null | undefined }
          | null
          | undefined
      }[]
    | undefined
}

export type ExplanationInput = {
  /** The values from before the restart; null when there is no baseline. */
  readonly before: {
    readonly pcrs: PcrBanks
    readonly components: readonly MeasuredComponent[] | null
  } | null
  readonly pcrsNow: PcrBanks
  readonly log: LaunchLog | Failure | null
  readonly booted: BootEntry | null
  readonly rule: CommandLineRule | null
  readonly bank: Bank
  readonly selected: readonly number[]
  readonly prediction: readonly PredictedRegister[] | null
  readonly files: readonly FileFact[]
  /** Registers the installed updates may change; null when no bulletin or prediction names any. */
  readonly expectedPcrs: readonly number[] | null
  readonly alreadyResealed: boolean | null
  /** When the boot before this one began, ISO 8601; lets an older package in place of a newer one be told. */
  readonly previousBootTime?: string | null
  /** `name evr` of each measured package that was there in the boot before; where it is known, no clock is asked. */
  readonly packagesBefore?: readonly string[]
  /** Xen's and the dom0 kernel's command lines are those from before the restart; null or missing: not known. */
  readonly areLinesSame?: boolean | null
  /** PCR 13 of changed LUKS headers that a person called their own before the restart; null or missing: of none. */
  readonly acceptedLuks?: string | null
  /** This look does not make an initramfs again that an update may have brought. */
  readonly isInitramfsUnmade?: boolean
  /** Registers that AEM seals to since the last approved boot, which this one is compared with. */
  readonly unapproved?: readonly number[]
  /** Set while one register is traced: a kernel or initramfs in it changed too. */
  readonly areModulesChanged?: boolean
}

export type ReasonCode =
  | 'no-baseline'
  | 'pcr-unreadable'
  | 'pcr-not-expected'
  | 'unmeasured'
  | 'log-missing'
  | 'log-unfaithful'
  | 'not-in-log'
  | 'luks-header-changed'
  | 'luks-header-accepted'
  | 'platform-changed'
  | 'policy-changed'
  | 'tboot-changed'
  | 'module-added'
  | 'module-removed'
  | 'module-order-changed'
  | 'older-state'
  | 'command-line-changed'
  | 'file-missing'
  | 'file-differs-from-launch'
  | 'no-package'
  | 'initramfs-not-compared'
  | 'wrong-file'
  | 'package-modified'
  | 'package-unchecked'
  | 'signer-unknown'
  | 'package-older-than-last-boot'
  | 'differs-from-prediction'
  | 'xen-not-computable'
  | 'boot-info-not-computable'
  | 'pcr-not-approved'

/**
 * Changes of which nobody can say here what they should be. They are no contradiction and no explanation: a person decides.
 */
export const NOT_COMPUTABLE: readonly ReasonCode[] = [
  'xen-not-computable',
  'boot-info-not-computable',
  'pcr-not-approved',
]

/** A finding about one register: what it is and what to do. `isBlocking` ones make the verdict unexplained. */
export type Reason = {
  readonly code: ReasonCode
  readonly pcr: number | null
  readonly what: string
  readonly next: string
  readonly isBlocking: boolean
}

export type Cause = {
  readonly role: ModuleRole
  readonly path: string | null
  readonly digestBefore: string | null
  readonly digestNow: string | null
  readonly package: PackageFact | null
  readonly bulletin: string | null
}

export const PCR_CHANGES = ['none', 'expected', 'not-computable', 'unexpected'] as const

export type ExplainedPcr = {
  readonly index: number
  readonly bank: Bank
  readonly before: string | null
  readonly now: string | null
  readonly predicted: string | null
  readonly change: (typeof PCR_CHANGES)[number]
  readonly causes: readonly Cause[]
}

export const VERDICTS = ['unchanged', 'explained', 'not-computable', 'unexplained', 'no-baseline'] as const
export type Verdict = (typeof VERDICTS)[number]

/** The `explain` document of the contract; `reasons` and `advice` are additions. */
export type Explanation = {
  readonly verdict: Verdict
  readonly alreadyResealed: boolean | null
  readonly pcrs: readonly ExplainedPcr[]
  readonly reasons: readonly Reason[]
  /** In this order, for a tired reader; empty unless the verdict is unexplained or not-computable. */
  readonly advice: readonly string[]
}
