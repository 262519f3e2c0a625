import { describe, expect, it } from 'vitest'
import { checkLuksPcr, checkSecrets, type SecretFacts } from '../../../src/core/decide/verify-unseal.ts'

const facts = (changes: Partial<SecretFacts>): SecretFacts => ({
  kind: 'txt',
  plainSha256: 'aa',
  isSealed: true,
  trial: { state: 'unsealed', sha256: 'aa' },
  ...changes,
})
const check = (changes: Partial<SecretFacts>) => checkSecrets([facts(changes)])[0]

describe('a secret on the device', () => {
  it("is good where it unseals to dom0's", () => {
    expect(check({})).toMatchObject({ id: 'unseal-txt', ok: true })
  })

  it.each<[string, Partial<SecretFacts>, string]>([
    ['is missing there', { isSealed: false }, 'secret.txt.sealed2 is missing on the device'],
    ['the TPM refuses', { trial: { state: 'refused', why: 'other registers' } }, 'other registers'],
    [
      'unseals to something else',
      { trial: { state: 'unsealed', sha256: 'bb' } },
      "something else than dom0's",
    ],
  ])('is bad where it %s', (_, changes, words) => {
    expect(check(changes)).toEqual({ id: 'unseal-txt', ok: false, detail: expect.stringContaining(words) })
  })

  it.each<[string, Partial<SecretFacts>, string]>([
    ['the directory could not be read', { isSealed: null }, 'could not be read'],
    ['nobody tried', { trial: { state: 'untried', why: 'no TPM' } }, 'no TPM'],
    ['dom0 has none to compare it with', { plainSha256: undefined }, 'dom0 has no secret.txt'],
    ["dom0's could not be read", { plainSha256: null }, 'dom0 has no secret.txt'],
  ])('is neither where %s', (_, changes, words) => {
    expect(check(changes)).toEqual({ id: 'unseal-txt', ok: null, detail: expect.stringContaining(words) })
  })

  it('that nobody has, in dom0 or sealed, is not asked for', () => {
    for (const isSealed of [false, null])
      expect(checkSecrets([facts({ plainSha256: undefined, isSealed })])).toEqual([])
    expect(checkSecrets([facts({ kind: 'fre' }), facts({ kind: 'txt' })]).map(({ id }) => id)).toEqual([
      'unseal-fre',
      'unseal-txt',
    ])
  })
})

describe('PCR 13', () => {
  it.each([
    ['aa', 'aa', true],
    ['aa', 'bb', false],
    ['aa', null, null],
    [null, 'aa', null],
    [null, null, null],
  ])('%s, recomputed %s', (now, recomputed, ok) => {
    expect(checkLuksPcr(now, recomputed, 'why')).toMatchObject({ id: 'pcr13', ok })
  })

  it('does not count where AEM does not seal to the register', () => {
    expect(checkLuksPcr('aa', 'bb', null, false)).toMatchObject({ ok: true })
    expect(checkLuksPcr(null, null, null, false)).toMatchObject({ ok: true })
  })

  it('is told with the reason why it could not be recomputed', () => {
    expect(checkLuksPcr('aa', null, 'no header').detail).toBe('no header')
    expect(checkLuksPcr('aa', null, null).detail).toContain('could not be read')
  })
})
