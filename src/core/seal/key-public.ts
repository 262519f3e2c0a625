/** Where AEM's key.pub carries its policy digest: TPM2B_PUBLIC of a sealed object, 80 bytes (tpm2-tools 5.4). */
const POLICY_OFFSET = 12
const POLICY_BYTES = 32

/** The policy digest inside a key.pub, hex; null where the file is too short. */
export function readPolicyDigest(keyPub: Uint8Array): string | null {
  if (keyPub.length < POLICY_OFFSET + POLICY_BYTES) return null
  return Buffer.from(keyPub.subarray(POLICY_OFFSET, POLICY_OFFSET + POLICY_BYTES)).toString('hex')
}

/** `sha256:13,17,18,19`: key.pcrs as AEM writes it, without the line end (anti-evil-maid-lib-tpm2, tpmsealprepare). */
export function renderSelection(pcrs: readonly number[]): string {
  return `sha256:${[...pcrs].sort((a, b) => a - b).join(',')}`
}
