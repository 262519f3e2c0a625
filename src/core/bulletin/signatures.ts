import { type GpgSignature, WEAK_DIGESTS } from './gpg-status.ts'

export const SIGNATURE_STATUSES = [
  'good',
  'bad',
  'no-key',
  'untrusted-key',
  'expired',
  'revoked',
  'weak-digest',
  'missing',
] as const
export type SignatureStatus = (typeof SIGNATURE_STATUSES)[number]

/** One signature of a bulletin (contract of `bulletin show`). */
export type BulletinSignature = {
  /** User id of the key; null where the key is not known. */
  readonly signer: string | null
  /** Full fingerprint of the primary key; where the key is missing, what the signature names, if it does. */
  readonly fingerprint: string | null
  readonly status: SignatureStatus
}

/** From this bulletin on the pack holds two signatures for each (39, 42 and 43 have one, all others before 44 two). */
const FIRST_WITH_TWO_SIGNATURES = 44

/** ERRSIG codes are those of libgpg-error: GPG_ERR_DIGEST_ALGO, GPG_ERR_NO_PUBKEY. */
const DIGEST_REFUSED = 5
const NO_PUBLIC_KEY = 9

/**
 * The status of one signature.
 *
 * What is worst about it is said: a text that was altered before anything about the key, a revoked
 * or expired key before the question who vouches for it, and a weak digest last. An error other
 * than a missing key (an unknown algorithm, a damaged packet) proves nothing about the text: bad.
 * @param signature From parseGpgStatus.
 * @param certified Fingerprints of primary keys that the master key vouches for, from decideCertified.
 */
export const decideSignature = (
  signature: GpgSignature,
  certified: ReadonlySet<string>,
): BulletinSignature => {
  const { outcome, errorCode, signer, fingerprint, digest } = signature
  const withStatus = (status: SignatureStatus): BulletinSignature => ({ signer, fingerprint, status })
  if (outcome === 'error' && errorCode === NO_PUBLIC_KEY) return withStatus('no-key')
  if (outcome === 'error' && errorCode === DIGEST_REFUSED) return withStatus('weak-digest')
  if (outcome === 'revoked-key') return withStatus('revoked')
  if (outcome === 'expired-key' || outcome === 'expired-signature') return withStatus('expired')
  // Good without a fingerprint is not good: GOODSIG alone names only a key id.
  if (outcome !== 'good' || fingerprint === null || digest === null) return withStatus('bad')
  if (!certified.has(fingerprint)) return withStatus('untrusted-key')
  return withStatus(WEAK_DIGESTS.has(digest) ? 'weak-digest' : 'good')
}

const MISSING: BulletinSignature = { signer: null, fingerprint: null, status: 'missing' }

/** The key of a signature: two signatures of one key count once. */
const countSigners = (signatures: readonly BulletinSignature[]): number =>
  new Set(signatures.map((each, index) => each.fingerprint ?? `unknown ${index}`)).size

/**
 * All signatures of a bulletin, with an entry `missing` for each one that is expected and not there:
 * two by different keys since bulletin 44, one before. A signature that is there but not good is
 * not missing.
 * @param id Number of the bulletin.
 * @param perFile What parseGpgStatus found in each signature file; a file without any signature counts as a bad one.
 * @param certified From decideCertified.
 */
export const decideSignatures = (
  id: number,
  perFile: readonly (readonly GpgSignature[])[],
  certified: ReadonlySet<string>,
): BulletinSignature[] => {
  const found = perFile.flatMap((signatures): BulletinSignature[] =>
    signatures.length === 0
      ? [{ signer: null, fingerprint: null, status: 'bad' }]
      : signatures.map((each) => decideSignature(each, certified)),
  )
  const expected = id >= FIRST_WITH_TWO_SIGNATURES ? 2 : 1
  const missing = Math.max(0, expected - countSigners(found))
  return [...found, ...Array.from({ length: missing }, () => MISSING)]
}

/**
 * Whether a bulletin may be used to approve anything: `approved` if every signature is good and none
 * is missing, `single` if the only fault is that one is missing (to be said to the user), else
 * `refused`. The SHA-1 signatures of 2011-2014 verify, yet they approve nothing.
 */
export const decideApproval = (
  signatures: readonly BulletinSignature[],
): 'approved' | 'single' | 'refused' => {
  const found = signatures.filter(({ status }) => status !== 'missing')
  if (found.length === 0 || found.some(({ status }) => status !== 'good')) return 'refused'
  return found.length === signatures.length ? 'approved' : 'single'
}

/** Whether `bulletin show` ends with 1: a weak digest is told in its status, anything else but good needs attention. */
export const needAttention = (signatures: readonly BulletinSignature[]): boolean =>
  signatures.some(({ status }) => status !== 'good' && status !== 'weak-digest')
