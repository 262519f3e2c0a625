import { expect, it, vi } from 'vitest'
import { moduleDigests } from '../../../src/core/launch/module-digest.ts'

/** OpenSSL as many distributions build it: without SM3. */
vi.mock('node:crypto', async (importOriginal) => {
  const original = await importOriginal<typeof import('node:crypto')>()
  return { ...original, getHashes: () => original.getHashes().filter((name) => !/sm3/i.test(name)) }
})

it('a bank that this OpenSSL cannot compute is left out of the digests of a module', () => {
  const image = { sha1: '11'.repeat(20), sha256: '22'.repeat(32), sm3_256: '33'.repeat(32) }
  expect(Object.keys(moduleDigests('quiet', 'whole', image))).toEqual(['sha1', 'sha256'])
})
