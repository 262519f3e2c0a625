import { describe, expect, it } from 'vitest'
import { isPlaceholderDigest } from '../../../src/core/launch/launch-log.ts'

/* "OneDigest" of the Intel TXT Software Development Guide, which Xen aem-4.17.4, xen/arch/x86/tpm.c, logs too. */
describe('the digest that stands where none was computed', () => {
  it.each([20, 32, 48, 64])('is 01 and zeros, of %i bytes', (sizeBytes) => {
    expect(isPlaceholderDigest(`01${'00'.repeat(sizeBytes - 1)}`)).toBe(true)
  })

  it.each([
    ['one that begins so', `0100${'ab'.repeat(30)}`],
    ['one that differs in its last byte', `01${'00'.repeat(30)}01`],
    ['one with something before it', `ff01${'00'.repeat(30)}`],
    ['all zeros', '00'.repeat(32)],
    ['nothing', ''],
  ])('is not %s', (_, hex) => {
    expect(isPlaceholderDigest(hex)).toBe(false)
  })
})
