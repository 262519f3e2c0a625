import type { TpmLook } from '../aem/tpm.ts'

/** The ways through the restart. */
export const PROTECTIONS = ['forward-seal', 'hold', 'plain'] as const
export type Protection = (typeof PROTECTIONS)[number]

/** A way through the restart: can it be gone, and if not, why not. */
export type Way = { readonly available: true } | { readonly available: false; readonly why: string }

export type ProtectionFacts = {
  /** Every selected register is predicted, and the present was reproduced first. */
  readonly isPredicted: boolean
  readonly refusal: string | null
  readonly tpm: TpmLook
  /** Where the program is that systemd would ask; null and why there is none. */
  readonly program: { readonly path: string | null; readonly why: string | null }
  /** Does systemd know the seal unit? */
  readonly isUnitLoaded: boolean | null
  /** Does systemd ask the gate already? */
  readonly isHoldInstalled: boolean | null
}

export type ProtectionChoice = {
  readonly ways: { readonly [P in Protection]: Way }
  readonly recommended: Protection
  /** Does systemd ask the gate already? */
  readonly isHoldInstalled: boolean
  /** What --yes takes: the recommended way, but it installs no drop-in. */
  readonly withYes: Protection
}

/** The order of worth (docs/security.md): only a forward seal spares the user the blind boot. */
export function decideProtection(facts: ProtectionFacts): ProtectionChoice {
  const ways = { 'forward-seal': forwardSeal(facts), hold: hold(facts), plain: plain(facts) }
  const recommended = ways['forward-seal'].available ? 'forward-seal' : ways.hold.available ? 'hold' : 'plain'
  const isHoldInstalled = facts.isHoldInstalled === true
  const isFree = recommended !== 'hold' || isHoldInstalled
  return { ways, recommended, isHoldInstalled, withYes: isFree ? recommended : 'plain' }
}

const AVAILABLE: Way = { available: true }

function forwardSeal({ isPredicted, refusal, tpm }: ProtectionFacts): Way {
  if (!isPredicted) {
    const why = refusal ?? 'not every selected register could be predicted'
    return { available: false, why: `the next boot is not fully predicted: ${why}` }
  }
  if (tpm !== '1.2' && tpm !== '2.0') return { available: false, why: 'the TPM could not be identified' }
  return AVAILABLE
}

function hold({ isHoldInstalled, isUnitLoaded, program }: ProtectionFacts): Way {
  if (isHoldInstalled === true && program.path !== null) return AVAILABLE
  if (isUnitLoaded === null)
    return { available: false, why: "systemd could not be asked for AEM's seal unit" }
  if (!isUnitLoaded) return { available: false, why: "systemd does not know AEM's seal unit" }
  if (program.path === null) {
    return { available: false, why: program.why ?? 'there is no program that systemd could ask' }
  }
  return AVAILABLE
}

function plain({ isHoldInstalled }: ProtectionFacts): Way {
  if (isHoldInstalled !== true) return AVAILABLE
  return {
    available: false,
    why: "a drop-in holds AEM's automatic seal; `aem-reseal gate remove` takes it away",
  }
}
