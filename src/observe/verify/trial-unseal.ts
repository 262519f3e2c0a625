import { createHash } from 'node:crypto'
import type { SealBank } from '../../core/aem/tpm.ts'
import {
  SECRET_KINDS,
  type SecretFacts,
  type SecretKind,
  type TrialSecret,
} from '../../core/decide/verify-unseal.ts'
import { decryptSecret } from '../../core/seal/sealed-blob.ts'
import type { Host } from '../../host/host.ts'
import { valueOrNull } from '../../host/host.ts'
import type { TpmFacts } from '../launch/pcrs.ts'
import type { PlainSecrets } from '../seal/plain-secrets.ts'
import type { SealedCopy } from '../seal/sealed-copy.ts'
import { type KeyTrial, openTpm2Trial } from './trial-unseal-tpm2.ts'
import { openTpm12Trial } from './trial-unseal-tpm12.ts'

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
  return version === '1.2' ? makeTpm12SecretTrial(host) : makeNoTrial('no TPM answers')
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
      return collect(
        own,
        plain,
        'sha256',
        (kind) => trySecret(host, own, kind, key),
        () => trial.readFreshness(),
      )
    },
    close: () => trial.close(),
  }
}

async function makeTpm12SecretTrial(host: Host): Promise<SecretTrial> {
  const trial = await openTpm12Trial(host)
  if ('why' in trial) return makeNoTrial(trial.why)
  const tryKind = async (own: SealedCopy | null, kind: SecretKind, skip: string | null): Promise<Tried> => {
    const why = skip ?? (own === null ? "the device's sealed files could not be read" : null)
    if (why !== null || own === null || !isSealedIn(own, kind))
      return { trial: { state: 'untried', why: why ?? 'not sealed' }, plain: null }
    const tried = await trial.tryBlob(`${own.directory}/secret.${kind}.sealed2`)
    if (tried.state !== 'unsealed') return { trial: tried, plain: null }
    return { trial: { state: 'unsealed', sha256: sha256(tried.plain) }, plain: tried.plain }
  }
  return {
    trySecrets: (own, plain, skip) =>
      collect(
        own,
        plain,
        'sha1',
        (kind) => tryKind(own, kind, skip),
        () => trial.readFreshness(),
      ),
    close: () => trial.close(),
  }
}

type Tried = { readonly trial: TrialSecret; readonly plain: Uint8Array | null }

async function collect(
  own: SealedCopy | null,
  plain: PlainSecrets,
  tokenHash: SealBank,
  tryKind: (kind: SecretKind) => Promise<Tried>,
  readFreshness: () => Promise<Uint8Array | null>,
): Promise<SecretsTried> {
  const secrets: SecretFacts[] = []
  let token: Uint8Array | null = null
  for (const kind of SECRET_KINDS) {
    const tried = await tryKind(kind)
    secrets.push(toFacts(own, plain, kind, tried.trial))
    if (kind === 'fre') token = tried.plain
  }
  return {
    secrets,
    tokenDigest: token === null ? null : createHash(tokenHash).update(token).digest('hex'),
    nv: token === null ? null : await readFreshness(),
  }
}

async function trySecret(
  host: Host,
  own: SealedCopy | null,
  kind: SecretKind,
  key: KeyTrial,
): Promise<Tried> {
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
  const isSealed = own === null ? null : isSealedIn(own, kind)
  return { kind, plainSha256: plain[kind], isSealed, trial }
}

function isSealedIn(own: SealedCopy, kind: SecretKind): boolean {
  return own.files.some((file) => file.name === `secret.${kind}.sealed2`)
}

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}
