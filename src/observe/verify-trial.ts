import { createHash } from 'node:crypto'
import {
  SECRET_KINDS,
  type SecretFacts,
  type SecretKind,
  type TrialSecret,
} from '../core/decide/verify-unseal.ts'
import { decryptSecret } from '../core/seal/sealed-blob.ts'
import type { Host } from '../host/host.ts'
import { valueOrNull } from '../host/host.ts'
import type { PlainSecrets } from './plain-secrets.ts'
import type { SealedCopy } from './sealed.ts'
import type { TpmFacts } from './tpm.ts'
import { type KeyTrial, openTpm2Trial } from './tpm2-trial.ts'

export type SecretsTried = {
  readonly secrets: readonly SecretFacts[]
  /** Digest of the unsealed freshness token in the TPM's own algorithm; null where it was not unsealed. */
  readonly tokenDigest: string | null
  /** The freshness slots as the TPM holds them. */
  readonly nv: Uint8Array | null
}

/** Tries to unseal a device's own copy; plaintext stays in memory and only digests come out. */
export type SecretTrial = {
  /** @param skip why it must not be tried, or null */
  trySecrets(own: SealedCopy | null, plain: PlainSecrets, skip: string | null): Promise<SecretsTried>
  close(): Promise<void>
}

export async function makeSecretTrial(host: Host, version: TpmFacts['version']): Promise<SecretTrial> {
  if (version === '2.0') return makeTpm2SecretTrial(host)
  return makeNoTrial(version === '1.2' ? 'not tried on TPM 1.2' : 'no TPM answers')
}

function makeNoTrial(why: string): SecretTrial {
  return {
    trySecrets: async (own, plain) => ({
      secrets: SECRET_KINDS.map((kind) => toFacts(own, plain, kind, { state: 'untried', why })),
      tokenDigest: null,
      nv: null,
    }),
    close: async () => undefined,
  }
}

async function makeTpm2SecretTrial(host: Host): Promise<SecretTrial> {
  const trial = await openTpm2Trial(host)
  if ('why' in trial) return makeNoTrial(trial.why)
  return {
    async trySecrets(own, plain, skip) {
      const pcrs = own?.keyPcrs?.pcrs ?? null
      const why =
        skip ?? (own === null || pcrs === null ? "the device's sealed files could not be read" : null)
      const key: KeyTrial =
        why !== null || own === null || pcrs === null
          ? { state: 'untried', why: why ?? '' }
          : await trial.tryKey(own.directory, pcrs)
      const tried = new Map<SecretKind, { trial: TrialSecret; plain: Uint8Array | null }>()
      for (const kind of SECRET_KINDS) tried.set(kind, await trySecret(host, own, kind, key))
      const token = tried.get('fre')?.plain ?? null
      return {
        secrets: SECRET_KINDS.map((kind) =>
          toFacts(own, plain, kind, tried.get(kind)?.trial ?? { state: 'untried', why: '' }),
        ),
        tokenDigest: token === null ? null : sha256(token),
        nv: token === null ? null : await trial.readFreshness(),
      }
    },
    close: () => trial.close(),
  }
}

async function trySecret(
  host: Host,
  own: SealedCopy | null,
  kind: SecretKind,
  key: KeyTrial,
): Promise<{ trial: TrialSecret; plain: Uint8Array | null }> {
  if (key.state !== 'unsealed') return { trial: key, plain: null }
  const blob = valueOrNull(await host.readFile(`${own?.directory}/secret.${kind}.sealed2`))
  if (blob === null)
    return { trial: { state: 'untried', why: 'its sealed file could not be read' }, plain: null }
  const plain = decryptSecret(blob, key.key)
  if (plain === null)
    return { trial: { state: 'refused', why: 'the sealed file is damaged: it has no salt' }, plain: null }
  return { trial: { state: 'unsealed', sha256: sha256(plain) }, plain }
}

function toFacts(
  own: SealedCopy | null,
  plain: PlainSecrets,
  kind: SecretKind,
  trial: TrialSecret,
): SecretFacts {
  const isSealed = own === null ? null : own.files.some((file) => file.name === `secret.${kind}.sealed2`)
  return { kind, plainSha256: plain[kind], isSealed, trial }
}

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}
