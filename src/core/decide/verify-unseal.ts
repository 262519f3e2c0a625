import type { Check } from './verify-copies.ts'

export const SECRET_KINDS = ['txt', 'key', 'otp', 'fre'] as const
export type SecretKind = (typeof SECRET_KINDS)[number]

/** What a trial unseal gave: a digest of the plaintext (it stayed in memory), a refusal of the TPM, or nothing. */
export type TrialSecret =
  | { readonly state: 'unsealed'; readonly sha256: string }
  | { readonly state: 'refused'; readonly why: string }
  | { readonly state: 'untried'; readonly why: string }

export type SecretFacts = {
  readonly kind: SecretKind
  /** sha256 of dom0's plaintext; null where it could not be read; undefined where there is none. */
  readonly plainSha256: string | null | undefined
  /** Is there a sealed file on the device? null where its directory could not be read. */
  readonly isSealed: boolean | null
  readonly trial: TrialSecret
}

/** One check for each secret that exists, in dom0 or sealed on the device. */
export function checkSecrets(secrets: readonly SecretFacts[]): readonly Check[] {
  return secrets
    .filter(({ plainSha256, isSealed }) => plainSha256 !== undefined || isSealed === true)
    .map(checkSecret)
}

function checkSecret({ kind, plainSha256, isSealed, trial }: SecretFacts): Check {
  const id = `unseal-${kind}` as const
  if (isSealed === null) {
    const detail = trial.state === 'untried' ? trial.why : "the device's sealed files could not be read"
    return { id, ok: null, detail }
  }
  if (!isSealed) return { id, ok: false, detail: `secret.${kind}.sealed2 is missing on the device` }
  if (trial.state === 'untried') return { id, ok: null, detail: trial.why }
  if (trial.state === 'refused') return { id, ok: false, detail: trial.why }
  if (plainSha256 == null)
    return { id, ok: null, detail: `unseals, but dom0 has no secret.${kind} to compare it with` }
  return trial.sha256 === plainSha256
    ? { id, ok: true, detail: `unseals to dom0's secret.${kind} (compared by hash)` }
    : {
        id,
        ok: false,
        detail: `unseals to something else than dom0's secret.${kind}: damaged, or another secret`,
      }
}

/**
 * PCR 13 recomputed from the LUKS headers as they are on the disks.
 * @param now what the register holds; null: not read
 * @param recomputed what the headers give; null where it could not be determined
 * @param isSealedTo false: neither SEAL nor the sealed copy names the register
 */
export function checkLuksPcr(
  now: string | null,
  recomputed: string | null,
  why: string | null,
  isSealedTo = true,
): Check {
  const id = 'pcr13'
  if (!isSealedTo) return { id, ok: true, detail: 'AEM does not seal to PCR 13 here: no LUKS header counts' }
  if (now === null) return { id, ok: null, detail: 'PCR 13 could not be read' }
  if (recomputed === null) return { id, ok: null, detail: why ?? 'the LUKS headers could not be read' }
  return now === recomputed
    ? { id, ok: true, detail: 'the LUKS headers are those this boot measured' }
    : {
        id,
        ok: false,
        detail:
          'not what the LUKS headers give as they are on the disks: one was changed since this boot (a new passphrase?), or something else was extended into PCR 13',
      }
}
