/** Why nothing, or not this register, is predicted. Stable for scripts. */
export type RefusalCode =
  | 'log-unreadable'
  | 'log-unfaithful'
  | 'unmeasured'
  | 'map-unknown'
  | 'no-variant-fits'
  | 'variant-ambiguous'
  | 'unknown-module'
  | 'entry-undetermined'
  | 'module-unreadable'
  | 'image-undetermined'
  | 'policy-unknown'
  | 'tboot-changed'
  | 'tboot-unknown'
  | 'sinit-changed'
  | 'sinit-unknown'
  | 'pcrs-unreadable'
  | 'trenchboot-multiboot-info'
  | 'trenchboot-mle'
  | 'other-flavour'
  | 'not-measured-by-launch'
  | 'luks-header-unknown'
  | 'luks-header-changed'

export type Refusal = { readonly code: RefusalCode; readonly why: string }

export function refuse(code: RefusalCode, why: string): Refusal {
  return { code, why }
}
