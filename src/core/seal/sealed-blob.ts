import { createCipheriv, createDecipheriv, pbkdf2Sync } from 'node:crypto'

/*
 * The form of AEM's secret.*.sealed2 on TPM 2.0: what `openssl enc -aes-256-ctr -pbkdf2 -kfile -` writes
 * (anti-evil-maid 4.2.0, anti-evil-maid-lib-tpm2, tpmsealdata). openssl-enc(1), OpenSSL 1.1.1 to 3: the magic, an
 * 8-byte salt, then the ciphertext; key and IV are PBKDF2-HMAC-SHA256 of the passphrase with 10000 rounds. There is no
 * MAC: a damaged blob decrypts to garbage without an error, so only a digest of the plaintext tells.
 */
const MAGIC = Buffer.from('Salted__', 'latin1')
export const SALT_BYTES = 8
const ITERATIONS = 10_000
const KEY_BYTES = 32
const IV_BYTES = 16

/** The size of the data that AEM seals in key.pub and key.priv (`head -c 16 /dev/random`, tpmsealprepare). */
export const SEALED_KEY_BYTES = 16

function deriveKey(sealedKey: Uint8Array, salt: Uint8Array): { key: Buffer; iv: Buffer } {
  // AEM pipes the unsealed bytes through `xxd -ps`: the passphrase is their lower-case hex.
  const passphrase = Buffer.from(sealedKey).toString('hex')
  const derived = pbkdf2Sync(passphrase, salt, ITERATIONS, KEY_BYTES + IV_BYTES, 'sha256')
  return { key: derived.subarray(0, KEY_BYTES), iv: derived.subarray(KEY_BYTES) }
}

/**
 * A secret.*.sealed2 file.
 * @param sealedKey the bytes the TPM releases for key.pub and key.priv
 * @param salt 8 random bytes, used once
 */
export function encryptSecret(plain: Uint8Array, sealedKey: Uint8Array, salt: Uint8Array): Uint8Array {
  const { key, iv } = deriveKey(sealedKey, salt)
  const cipher = createCipheriv('aes-256-ctr', key, iv)
  return Buffer.concat([MAGIC, salt, cipher.update(plain), cipher.final()])
}

/** The bytes inside a secret.*.sealed2 file, right or garbage; null when it does not begin with the magic and a salt. */
export function decryptSecret(blob: Uint8Array, sealedKey: Uint8Array): Uint8Array | null {
  const head = MAGIC.length + SALT_BYTES
  if (blob.length < head || !MAGIC.equals(blob.subarray(0, MAGIC.length))) return null
  const { key, iv } = deriveKey(sealedKey, blob.subarray(MAGIC.length, head))
  const decipher = createDecipheriv('aes-256-ctr', key, iv)
  return Buffer.concat([decipher.update(blob.subarray(head)), decipher.final()])
}
