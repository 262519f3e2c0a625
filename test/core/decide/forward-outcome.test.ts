import { describe, expect, it } from 'vitest'
import {
  decideForwardOutcome,
  type ForwardFacts,
  isForwardDone,
  isForwardUnfinished,
  isRefusalExpected,
} from '../../../src/core/decide/forward-outcome.ts'
import { aSession } from '../../support/built-in.ts'

const DONE: ForwardFacts = {
  isChosen: true,
  isDone: true,
  hasRecord: true,
  device: 'other',
  unseal: 'mismatch',
  isPredicted: false,
  later: [],
}

const decide = (changes: Partial<ForwardFacts>) => decideForwardOutcome({ ...DONE, ...changes })

describe('what became of a forward seal', () => {
  it.each([
    ['none', { isChosen: false, hasRecord: false }],
    ['shown', { unseal: 'unsealed' }],
    ['shown', { unseal: 'unsealed', isDone: false }],
    ['not-made', { isDone: false, hasRecord: false, device: null }],
    ['not-made', { isDone: false, device: 'previous', isPredicted: true }],
    ['cut', { isDone: false, device: 'other' }],
    ['cut', { isDone: false, device: null }],
    ['not-in-force', { isPredicted: true }],
    ['not-in-force', { isPredicted: true, later: ['kernel 1'] }],
    ['overtaken', { later: ['kernel 1'] }],
    ['contradicted', {}],
    ['contradicted', { isPredicted: false }],
    // Switched, and the step did not come to its end: it was in force all the same.
    ['contradicted', { isDone: false, device: 'forward' }],
    ['unknown', { unseal: null }],
  ] as const)('%s: %o', (outcome, facts) => {
    expect(decide(facts)).toBe(outcome)
  })

  it('a refusal is expected of all but one that was in force', () => {
    expect(isRefusalExpected('contradicted')).toBe(false)
    expect(isRefusalExpected('unknown')).toBe(false)
    for (const outcome of ['none', 'not-made', 'cut', 'not-in-force', 'overtaken'] as const)
      expect(isRefusalExpected(outcome)).toBe(true)
  })

  it('its step came to its end by the history, and the last time counts', () => {
    const entry = (outcome: string) => ({ at: '', flow: 'post-update', step: 'forward-seal', outcome })
    const session = (...outcomes: string[]) =>
      aSession({ protection: 'forward-seal', history: outcomes.map(entry) })
    expect(isForwardDone(session('sealed'))).toBe(true)
    expect(isForwardDone(session('sealed', 'failed'))).toBe(false)
    expect(isForwardUnfinished(session())).toBe(true)
    expect(isForwardUnfinished(session('sealed'))).toBe(false)
    expect(isForwardUnfinished({ ...session(), protection: 'hold' })).toBe(false)
  })
})
