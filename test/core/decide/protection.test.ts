import { describe, expect, test } from 'vitest'
import { decideProtection, type ProtectionFacts } from '../../../src/core/decide/protection.ts'

function choose(change: Partial<ProtectionFacts> = {}) {
  return decideProtection({
    isPredicted: true,
    refusal: null,
    tpm: '2.0',
    program: { path: '/usr/lib/aem-reseal/aem-reseal.mjs', why: null },
    isUnitLoaded: true,
    isHoldInstalled: false,
    ...change,
  })
}

describe('recommended', () => {
  test.each(['1.2', '2.0'] as const)('forward seal where everything is predicted, on TPM %s', (tpm) => {
    expect(choose({ tpm })).toMatchObject({ recommended: 'forward-seal', withYes: 'forward-seal' })
  })
  test('hold where not; --yes takes plain rather than install a drop-in', () => {
    expect(choose({ isPredicted: false })).toMatchObject({ recommended: 'hold', withYes: 'plain' })
  })
  test('hold with --yes too, where the drop-in is there', () => {
    const choice = choose({ isPredicted: false, isHoldInstalled: true })
    expect(choice).toMatchObject({ recommended: 'hold', withYes: 'hold' })
  })
  test('plain where nothing else can be done', () => {
    const choice = choose({ isPredicted: false, program: { path: null, why: 'no program' } })
    expect(choice).toMatchObject({ recommended: 'plain', withYes: 'plain' })
  })
})

describe('not available', () => {
  const why = (change: Partial<ProtectionFacts>, way: 'forward-seal' | 'hold' | 'plain') => {
    const found = choose(change).ways[way]
    return found.available ? null : found.why
  }

  test('hold tells a unit that nobody asked for from one that is not there', () => {
    expect(why({ isUnitLoaded: null }, 'hold')).toBe("systemd could not be asked for AEM's seal unit")
    expect(why({ isUnitLoaded: false }, 'hold')).toBe("systemd does not know AEM's seal unit")
  })

  test('forward seal says what was refused', () => {
    expect(why({ isPredicted: false, refusal: 'no log' }, 'forward-seal')).toContain('no log')
    expect(why({ tpm: null }, 'forward-seal')).toContain('TPM')
    expect(why({ tpm: 'none' }, 'forward-seal')).toContain('TPM')
  })
  test('hold needs the unit and a program out of reach', () => {
    expect(why({ isUnitLoaded: false }, 'hold')).toContain('seal unit')
    expect(why({ isUnitLoaded: null }, 'hold')).toContain('seal unit')
    expect(why({ program: { path: null, why: '/usr/lib can be written by others' } }, 'hold')).toContain(
      '/usr/lib',
    )
  })
  test('plain is no plain while a drop-in holds', () => {
    expect(why({ isHoldInstalled: true }, 'plain')).toContain('gate remove')
    expect(why({ isHoldInstalled: null }, 'plain')).toBeNull()
  })
})
