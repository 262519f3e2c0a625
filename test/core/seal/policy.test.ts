import { createHash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { bindingOfKey } from '../../../src/core/decide/verify-binding.ts'
import { computePolicyPcr } from '../../../src/core/decide/verify-copies.ts'
import { readPolicyDigest, renderSelection } from '../../../src/core/seal/key-public.ts'

/** Register n holds sha256("register n"). */
const values = Object.fromEntries(
  Array.from({ length: 24 }, (_, n) => [n, createHash('sha256').update(`register ${n}`).digest('hex')]),
)

/*
 * Made with tpm2-tools 5.4 on swtpm 0.7.1, the values concatenated in `pcrs`:
 *   tpm2_startauthsession -S s; tpm2_policypcr -Q -S s -l sha256:<list> -f pcrs -L policy
 */
const VECTORS: readonly (readonly [readonly number[], string])[] = [
  [[13, 17, 18, 19], '1bb3e51b93f016fa439ff426568d365310ab6ffac429ca44629109383271a865'],
  [[17], 'bbc8dd6ab62f13d1c5b172909c38555b6e229619077e2719bb8ea70ba649943a'],
  [[0, 1, 2, 3, 4, 5, 6, 7], '7049f6b5a1e2798feda62e2adee9c3fd1e9cbad7d2c1480c02899bf821e7b12f'],
  [[17, 18], '7096effbea6fa51648e581e85e75bc3ecef93e6a6abac2ee4f5fcdcca3dc6159'],
  [[23], '3e013d441f1a95671d3c15b8314d809c68d964aea1d4537b143e3da3e7fe0375'],
  [[0, 8, 16], '0b13c03c98c46a087fa2651520c5c3dcde0e2686181039e96c782f32ef098897'],
]

/** A key.pub of tpm2_create -L: attributes fixedTPM and fixedParent, then the policy, then a keyed hash's name. */
function keyPublic(policy: string): Buffer {
  const head = '004e0008000b000000120020'
  return Buffer.from(`${head}${policy}00100020${'ab'.repeat(32)}`, 'hex')
}

describe('the policy digest', () => {
  it.each(VECTORS)('is what tpm2_policypcr makes for %j', (pcrs, policy) => {
    expect(computePolicyPcr(pcrs, values)).toBe(policy)
    expect(computePolicyPcr([...pcrs].reverse(), values)).toBe(policy)
  })

  it('is none when a value is missing', () => {
    expect(computePolicyPcr([13, 17], { 13: values[13] ?? '' })).toBeNull()
  })

  it('stands at its place in key.pub', () => {
    const policy = VECTORS[0]?.[1] ?? ''
    expect(readPolicyDigest(keyPublic(policy))).toBe(policy)
    expect(readPolicyDigest(keyPublic(policy).subarray(0, 44))).toBe(policy)
    expect(readPolicyDigest(keyPublic(policy).subarray(0, 43))).toBeNull()
  })
})

describe('the binding of a key', () => {
  const selected = [13, 17, 18, 19]
  const now = keyPublic(VECTORS[0]?.[1] ?? '')
  const next = { ...values, 18: 'cd'.repeat(32) }

  it('is to the values of its policy, and to no others', () => {
    const binding = bindingOfKey(now, selected)
    expect(binding?.isBoundTo(values)).toBe(true)
    expect(binding?.isBoundTo(next)).toBe(false)
    expect(binding?.isBoundTo({})).toBe(false)
    expect(bindingOfKey(now, [17])?.isBoundTo(values)).toBe(false)
    expect(bindingOfKey(keyPublic(computePolicyPcr(selected, next) ?? ''), selected)?.isBoundTo(next)).toBe(
      true,
    )
  })
})

it('key.pcrs is written as AEM writes it', () => {
  expect(renderSelection([19, 13, 18, 17])).toBe('sha256:13,17,18,19')
})
