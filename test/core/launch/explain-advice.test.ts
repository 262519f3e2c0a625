import { describe, expect, it } from 'vitest'
import { adviceFor, DEVICE_OUT_ADVICE, orderOf } from '../../../src/core/launch/explain-advice.ts'

describe('the order of a piece of advice', () => {
  const luks = [{ isBlocking: true, pcr: 13 }]
  const all = [
    ...[true, false, null].flatMap((sealed) => adviceFor('unexplained', sealed)),
    ...adviceFor('unexplained', false, luks),
    DEVICE_OUT_ADVICE,
  ]

  it.each([...new Set(all)])('is how it begins: %s', (advice) => {
    expect(orderOf(advice).length).toBeLessThan(advice.length)
    expect(advice.startsWith(orderOf(advice))).toBe(true)
  })

  it('is all of it where it has no shorter form', () => {
    for (const advice of adviceFor('not-computable', null)) expect(orderOf(advice)).toBe(advice)
  })
})
