import { describe, expect, it } from 'vitest'
import {
  explainUnpredicted,
  isStateExpected,
  listPredictedValues,
} from '../../../src/core/decide/approved-state.ts'

const row = (index: number, predicted: string | null, reason: string | null = null, bank = 'sha256') => ({
  ...{ index, bank, predicted, reason, vouched: true },
})

describe('why a kept prediction leaves something open', () => {
  it('is its refusal, else the reason of its first register without a value', () => {
    const pcrs = [row(17, 'aa', 'nothing changed'), row(18, null, 'no file'), row(19, null, 'no log')]
    expect(explainUnpredicted({ pcrs })).toBe('PCR 18: no file')
    expect(explainUnpredicted({ pcrs, refusal: { why: 'no entry' } })).toBe('no entry')
  })

  it.each([
    ['a prediction of all registers', { pcrs: [row(17, 'aa', 'nothing changed')] }],
    ['one that says no reason', { pcrs: [row(17, null)] }],
    ['none', null],
    ['what is none', { pcrs: 'all' }],
    ['one of a register that is none', { pcrs: [row(17.5, null, 'no file')] }],
  ])('is not told of %s', (_, prediction) => {
    expect(explainUnpredicted(prediction)).toBeNull()
  })
})

describe('the values that a kept prediction foretells', () => {
  it('are those of the bank', () => {
    const pcrs = [row(17, 'aa'), row(17, 'bb', null, 'sha1'), row(18, null)]
    expect(listPredictedValues({ calibrated: true, refusal: null, pcrs }, 'sha256')).toEqual({
      17: 'aa',
      18: null,
    })
    expect(listPredictedValues({ calibrated: true, refusal: null, pcrs }, 'sha1')).toEqual({ 17: 'bb' })
  })

  it('are none of what is no prediction', () => {
    for (const odd of [null, 'x', {}, { pcrs: [{ index: 17 }] }])
      expect(listPredictedValues(odd, 'sha256')).toEqual({})
  })
})

it('a state is expected where every register of it is known, and there is one', () => {
  expect(isStateExpected([{ index: 17, value: 'aa' }])).toBe(true)
  expect(
    isStateExpected([
      { index: 17, value: 'aa' },
      { index: 18, value: null },
    ]),
  ).toBe(false)
  expect(isStateExpected([])).toBe(false)
  expect(isStateExpected(null)).toBe(false)
})
