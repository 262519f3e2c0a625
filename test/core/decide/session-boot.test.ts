import { describe, expect, it } from 'vitest'
import { judgeSessionBoot } from '../../../src/core/decide/session-boot.ts'
import type { Session } from '../../../src/core/session/checkpoint.ts'
import { aBaseline } from '../../support/a-baseline.ts'

type Known = Pick<Session, 'baseline' | 'approved' | 'findings'>

const REGISTERS = { 17: 'aa', 18: 'bb' }
const BASELINE = aBaseline({ selectedPcrs: [17, 18], pcrs: { sha256: REGISTERS } })
const APPROVED = { bootId: 'boot-2', pcrs: REGISTERS } as unknown as Session['approved']
const found = (verdict: 'explained' | 'unexplained') => ({ explain: { verdict, pcrs: [], reasons: [] } })
const UNEXPLAINED = found('unexplained')
const SESSION: Known = { baseline: BASELINE, approved: null, findings: {} }

const judge = (changes: Partial<Known>, bootId: string | null = 'boot-3') =>
  judgeSessionBoot({ ...SESSION, ...changes }, bootId, REGISTERS)

describe('a boot that an open session', () => {
  it('noted nothing of is not asked about', () => {
    expect(judge({ baseline: null })).toBe('unasked')
  })

  it('began in is still the same', () => {
    expect(judge({ findings: UNEXPLAINED }, 'boot-1')).toBe('same-boot')
  })

  it('has not looked at is not judged, whatever its registers are', () => {
    expect(judge({})).toBe('not-judged')
    expect(judge({ approved: { ...APPROVED!, pcrs: { 17: 'aa' } } })).toBe('not-judged')
    expect(judge({}, null)).toBe('not-judged')
  })

  it('accepted stays accepted, and so does a later one with the same registers', () => {
    expect(judge({ approved: APPROVED })).toBe('accepted')
    expect(judge({ approved: APPROVED }, null)).toBe('accepted')
    expect(judge({ approved: { ...APPROVED!, pcrs: {} } }, 'boot-2')).toBe('accepted')
  })

  it('found unexplained is rejected, also with the registers of one that was accepted before', () => {
    expect(judge({ findings: UNEXPLAINED })).toBe('rejected')
    expect(judge({ findings: UNEXPLAINED, approved: APPROVED })).toBe('rejected')
    expect(judge({ findings: found('explained') })).toBe('not-judged')
  })
})
