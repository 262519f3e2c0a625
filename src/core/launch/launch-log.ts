import type { Flavour } from './boot-entry.ts'
import type { Bank } from './pcr.ts'

/** Digest values by bank, lower-case hex. */
export type Digests = Partial<Record<Bank, string>>

/**
 * TXT event types that matter here. Intel TXT Software Development Guide, revision 017, appendix F
 * (0x400 is EVTYPE_BASE); tboot 1.10.5, tboot/common/integrity.c (0x501); Xen aem-4.17.4,
 * xen/arch/x86/include/asm/slaunch.h (0x502); TCG PC Client Platform Firmware Profile 1.06, section 10.4.1 (0x03).
 */
export const EVENT_TYPE = {
  noAction: 0x03,
  pcrMapping: 0x401,
  hashStart: 0x402,
  mleHash: 0x404,
  /** OsSinitData.Capabilities, which tboot takes from its MLE header (TXT guide, EVTYPE_OSSINITDATA_CAP_HASH). */
  sinitCapabilities: 0x40f,
  tbootMeasurement: 0x501,
  slaunch: 0x502,
} as const

/** Where the digest of an event comes from, as far as the log tells. */
export type EventOrigin =
  | { readonly kind: 'platform' }
  | { readonly kind: 'mle' }
  /** AMD: where in the launched program it is entered. */
  | { readonly kind: 'mle-entry' }
  | { readonly kind: 'policy' }
  | { readonly kind: 'module'; readonly moduleIndex: number }
  /** TrenchBoot on BIOS: GRUB's multiboot information, as a whole. */
  | { readonly kind: 'boot-info' }
  /** TrenchBoot: what GRUB notes about processor and launch. */
  | { readonly kind: 'launch-info' }
  /** TrenchBoot on UEFI: a command line; of Xen where `moduleIndex` is null. */
  | { readonly kind: 'command-line'; readonly moduleIndex: number | null }
  | { readonly kind: 'other' }

/** One extend, in the order it was made. `data` is text for people, never evidence. */
export type LaunchEvent = {
  readonly pcr: number
  readonly type: number
  readonly digests: Digests
  readonly origin: EventOrigin
  readonly data: string | null
}

/** A module as the launch saw it; tboot prints the command line, TrenchBoot does not. */
export type LoggedModule = {
  readonly commandLine: string | null
  readonly digests: Digests
}

/** What a TrenchBoot log says of the way the boot was launched. */
export type LaunchKind = { readonly cpu: 'intel' | 'amd'; readonly firmware: 'bios' | 'uefi' }

/** legacy and da are tboot's PCR maps (legacy; details and authorities); slaunch is TrenchBoot's code and data. */
export const TBOOT_MAPS = ['legacy', 'da'] as const
export type PcrMap = (typeof TBOOT_MAPS)[number] | 'slaunch'

export type LaunchLog = {
  readonly kind: Flavour
  readonly version: string | null
  /** Whether a measured launch took place; null when the text does not say. */
  readonly measured: boolean | null
  readonly map: PcrMap | null
  /** TrenchBoot only; null where the log does not tell. */
  readonly launch?: LaunchKind | null
  /** The only bank of the log, where it has one alone and says so. */
  readonly soleBank?: Bank | null
  readonly events: readonly LaunchEvent[]
  readonly modules: readonly LoggedModule[]
  /** tboot's policy is the one built in, which sends every later module to one register. */
  readonly defaultPolicy: boolean | null
  /** The SINIT events are in the log, so the first DRTM register can be replayed too. */
  readonly platformEvents: boolean
  /** The log's own values, for reports. */
  readonly values: {
    readonly sinitHash: string | null
    readonly mleHash: string | null
    readonly policyHash: string | null
    readonly policyControl: string | null
  }
  /** Command line of the launched program as it printed it itself (tboot); null or left out where it prints none. */
  readonly launcherCommandLine?: string | null
  /** Capabilities that tboot asked SINIT for; null or left out where the log does not print them. */
  readonly sinitCapabilities?: number | null
  /** Locality of TPM2_Startup, which sets the first value of PCR 0 (TCG PFP 1.06, section 10.4.5.3). */
  readonly startupLocality: number | null
  /** What is missing or inconsistent, in words; a log with one of these is not trusted. */
  readonly problems: readonly string[]
}

/** An event as a binary log holds it, before what is never extended is sorted out. */
export type RawEvent = {
  readonly pcr: number
  readonly type: number
  readonly digests: Digests
  readonly data: Uint8Array
}

export type RawLog = {
  readonly events: readonly RawEvent[]
  readonly problems: readonly string[]
  readonly soleBank?: Bank | null
}

/**
 * The placeholder that Xen and the loader log where they cannot compute an algorithm: 01, then zeros
 * ("OneDigest": Intel TXT Software Development Guide; Xen aem-4.17.4, xen/arch/x86/tpm.c).
 */
export function isPlaceholderDigest(hex: string): boolean {
  return /^01(?:00)+$/.test(hex)
}
