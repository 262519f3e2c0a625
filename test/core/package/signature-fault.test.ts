import { expect, it } from 'vitest'
import { describeSignatureFault, isUnlistedKey, listKeyNext } from '../../../src/core/package/signers.ts'

const keyId = '1234567890abcdef'

it.each([
  [{ signature: 'ok', signer: 'Qubes OS Release 4.2 Signing Key', keyId }, null, false],
  [{ signature: 'ok', signer: null, keyId }, /unlisted key/, true],
  [{ signature: 'ok', signer: null, keyId: '90abcdef' }, /short key id/, false],
  [{ signature: 'ok', signer: null, keyId: null }, /short key id/, false],
  [{ signature: 'no-key', signer: null, keyId }, /RPM does not have/, false],
  [{ signature: 'bad', signer: null, keyId }, /bad signature/, false],
  [{ signature: 'unsigned', signer: null, keyId: null }, /not signed/, false],
  [{ signature: null, signer: null, keyId }, /could not be checked/, false],
  [{ signature: null, signer: 'Fedora (37)', keyId }, /could not be checked/, false],
] as const)('%j', (facts, words, isUnlisted) => {
  const fault = describeSignatureFault(facts)
  if (words === null) expect(fault).toBeNull()
  else expect(fault).toMatch(words)
  expect(isUnlistedKey(facts)).toBe(isUnlisted)
})

it('asks rpm for the key by the digits that it goes by', () => {
  expect(listKeyNext('1234567890ABCDEF')).toContain('gpg-pubkey-90abcdef')
})
