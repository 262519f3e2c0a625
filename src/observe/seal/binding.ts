import type { Binding } from '../../core/decide/device-work.ts'
import { computePolicyPcr } from '../../core/decide/verify-copies.ts'
import { readPolicyDigest } from '../../core/seal/key-public.ts'
import { computeTpm12Composite, parseTpm12Blob } from '../../core/seal/tpm12-blob.ts'
import type { Host } from '../../host/host.ts'
import { valueOrNull } from '../../host/host.ts'
import type { TpmFacts } from '../launch/pcrs.ts'
import { readTextOrNull } from '../read-text.ts'
import type { SealedCopy } from './sealed-copy.ts'

type Values = Readonly<Record<number, string>>

/**
 * To which register values a sealed copy is bound: TPM 2.0 by the policy digest in key.pub, TPM 1.2 by the digest in
 * the token's blob.
 * @param forward values the open session sealed forward to; null otherwise
 */
export async function observeBinding(
  host: Host,
  copy: SealedCopy | null,
  tpm: TpmFacts,
  selected: readonly number[] | null,
  forward: Values | null,
): Promise<Binding> {
  if (copy === null || selected === null || tpm.bank === null) return null
  const isTpm12 = tpm.version === '1.2'
  const compute = isTpm12 ? computeTpm12Composite : computePolicyPcr
  const found = await readSealedPolicy(host, copy, tpm.version)
  const present = compute(selected, tpm.pcrs[tpm.bank] ?? {})
  if (found === null || present === null) return null
  if (found === present) return 'present'
  return forward !== null && found === compute(selected, forward) ? 'forward' : 'other'
}

/** The digest of the registers that a copy is bound to: of key.pub, or on TPM 1.2 of the token's blob; null: not read. */
export async function readSealedPolicy(
  host: Host,
  copy: SealedCopy,
  version: TpmFacts['version'],
): Promise<string | null> {
  return version === '1.2' ? readBlobDigest(host, copy) : readKeyDigest(host, copy)
}

async function readKeyDigest(host: Host, { directory }: SealedCopy): Promise<string | null> {
  const bytes = valueOrNull(await host.readFile(`${directory}/key.pub`))
  return bytes === null ? null : readPolicyDigest(bytes)
}

async function readBlobDigest(host: Host, { directory }: SealedCopy): Promise<string | null> {
  const text = await readTextOrNull(host, `${directory}/secret.fre.sealed2`)
  return text === null ? null : (parseTpm12Blob(text)?.digestAtRelease ?? null)
}
