import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type AemJournal, parseAemJournal, type UnitState } from '../../../src/core/aem/seal-outcome.ts'
import {
  type DigestLook,
  decideSealedInThisBoot,
  isTokenRenewed,
  type SealEvidence,
} from '../../../src/core/decide/sealed-in-this-boot.ts'

const RAN: UnitState = {
  isLoaded: true,
  activeState: 'inactive',
  result: 'success',
  conditionMet: true,
  mainExit: 0,
  startedAtUs: 14_011_023,
  endedAtUs: 18_022_046,
  dropIns: [],
}
const NEVER_RAN: UnitState = { ...RAN, startedAtUs: 0, endedAtUs: 0 }
const SAID: AemJournal = parseAemJournal(
  '2024-07-17T09:00:20+0200 dom0 anti-evil-maid-seal[900]: anti-evil-maid-seal: Sealed /var/lib/anti-evil-maid/aem/secret.fre using --pcr 13\n',
)
const SILENT = parseAemJournal('')
const seen = (sha256: string): DigestLook => ({ state: 'seen', sha256 })

const NEW: SealEvidence = {
  token: seen('new'),
  earlierTokens: ['old'],
  resealedToken: null,
  unit: RAN,
  journal: SILENT,
}

describe('decideSealedInThisBoot', () => {
  it.each([
    ['a new token, and the unit ran to its end in this boot', {}, true],
    ["a new token, and AEM's own line of this boot, though the unit timed out", TIMED_OUT(), true],
    ['the token this program left in this boot', { resealedToken: 'new', unit: NEVER_RAN }, true],
    ['the previous token, whatever the unit says', { token: seen('old') }, false],
    ['the previous token, as a forward seal left it', { earlierTokens: ['first', 'new'] }, false],
    ['no token at all', { token: { state: 'absent' } as const }, false],
    ['a new token of some other boot: the unit never ran in this one', { unit: NEVER_RAN }, null],
    ['a new token and a unit that failed', { unit: { ...RAN, result: 'timeout' } }, null],
    ['a new token and a unit that has not ended', { unit: { ...RAN, endedAtUs: 0 } }, null],
    ['a new token and a unit that cannot be asked', { unit: null, journal: null }, null],
    ['a token that cannot be read', { token: { state: 'unknown' } as const }, null],
    [
      'a token that cannot be read, after a reseal',
      { token: { state: 'unknown' }, resealedToken: 'new' },
      null,
    ],
    ['nothing recorded before', { earlierTokens: [] }, null],
  ] as const)('%s', (_what, changes, sealed) => {
    expect(decideSealedInThisBoot({ ...NEW, ...changes })).toBe(sealed)
  })

  function TIMED_OUT(): Partial<SealEvidence> {
    return { unit: { ...RAN, result: 'timeout' }, journal: SAID }
  }
})

describe('isTokenRenewed', () => {
  it.each([
    [seen('old'), seen('new'), true],
    [{ state: 'absent' }, seen('new'), true],
    [seen('same'), seen('same'), false],
    [seen('old'), { state: 'absent' }, false],
    [{ state: 'unknown' }, seen('new'), null],
    [seen('old'), { state: 'unknown' }, null],
  ] as const)('%j, then %j: %s', (before, after, renewed) => {
    expect(isTokenRenewed(before, after)).toBe(renewed)
  })

  it('never says so of what was not read twice', () => {
    const look = fc.constantFrom<DigestLook>(seen('a'), seen('b'), { state: 'absent' }, { state: 'unknown' })
    fc.assert(
      fc.property(look, look, (before, after) => {
        if (isTokenRenewed(before, after) !== true) return
        expect([before.state, after.state]).not.toContain('unknown')
        expect(before).not.toEqual(after)
      }),
    )
  })
})
