import { describe, expect, it } from 'vitest'
import { decryptSecret, encryptSecret } from '../../../src/core/seal/sealed-blob.ts'

/*
 * Made with OpenSSL 3.0.19, as AEM does it:
 *   printf 000102030405060708090a0b0c0d0e0f |
 *     openssl enc -aes-256-ctr -pbkdf2 -e -kfile - -in sentence -out blob
 * where `sentence` holds "the owl sleeps at noon\n".
 */
const KEY = Buffer.from('000102030405060708090a0b0c0d0e0f', 'hex')
const PLAIN = Buffer.from('the owl sleeps at noon\n')
const BLOB = Buffer.from(
  '53616c7465645f5f4e5b7c1a76c89f56d55db7c1f46c4c91c9ec18c89633ca103dccc0a1946f08',
  'hex',
)
const SALT = BLOB.subarray(8, 16)

describe('secret.*.sealed2', () => {
  it('is what openssl writes', () => {
    expect(Buffer.from(encryptSecret(PLAIN, KEY, SALT)).toString('hex')).toBe(BLOB.toString('hex'))
  })

  it('is read as openssl reads it', () => {
    expect(Buffer.from(decryptSecret(BLOB, KEY) ?? '')).toEqual(PLAIN)
  })

  it('has no MAC: a damaged one and a wrong key give garbage, without an error', () => {
    const damaged = Buffer.from(BLOB)
    damaged[20] = (damaged[20] ?? 0) ^ 1
    for (const [blob, key] of [
      [damaged, KEY],
      [BLOB, Buffer.alloc(16)],
    ] as const) {
      const plain = decryptSecret(blob, key)
      expect(plain).toHaveLength(PLAIN.length)
      expect(Buffer.from(plain ?? '')).not.toEqual(PLAIN)
    }
  })

  it('is refused without its head', () => {
    expect(decryptSecret(BLOB.subarray(1), KEY)).toBeNull()
    expect(decryptSecret(BLOB.subarray(0, 12), KEY)).toBeNull()
    expect(decryptSecret(Buffer.alloc(0), KEY)).toBeNull()
  })

  it('takes an empty secret', () => {
    const blob = encryptSecret(Buffer.alloc(0), KEY, SALT)
    expect(blob).toHaveLength(16)
    expect(decryptSecret(blob, KEY)).toHaveLength(0)
  })
})
