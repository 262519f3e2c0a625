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

describe('the advice for a verdict', () => {
  const at = (pcr: number, code = 'x', isBlocking = true) => ({ pcr, code, isBlocking })
  const firstOf = (verdict: string, sealed: boolean | null, findings = [at(18)]) =>
    adviceFor(verdict, sealed, findings).map(orderOf)

  it.each(['unchanged', 'explained', 'no-baseline'])('is none where it is %s', (verdict) => {
    for (const sealed of [true, false, null]) expect(adviceFor(verdict, sealed, [at(13)])).toEqual([])
  })

  it('of a boot that nobody can compute leaves it to the person, and the seal last', () => {
    const unsealed = adviceFor('not-computable', false)
    expect(unsealed).toHaveLength(3)
    expect(unsealed[0]).toContain('you decide')
    expect(unsealed[1]).toContain('accepted, not proven')
    expect(unsealed[2]).toContain('accept nothing and type no passphrase')
    expect(adviceFor('not-computable', true)).toEqual([
      ...unsealed,
      expect.stringContaining('has sealed to this boot by itself'),
    ])
    expect(adviceFor('not-computable', null)).toEqual([
      ...unsealed,
      expect.stringContaining('could not be told'),
    ])
  })

  it('of an unexplained boot begins with the most urgent, and ends with the seal', () => {
    const unsealed = firstOf('unexplained', false)
    expect(unsealed).toEqual([
      'power off now, and type no passphrase here',
      'count the disk passphrase as known; change it elsewhere',
      'do not reseal yourself',
      'compare with another AEM device if you have one',
      'check this boot device offline, on a computer you trust',
      'if this device is unchanged, count the machine as lost',
    ])
    const secret = 'change the secret once you are in a state you trust'
    expect(firstOf('unexplained', true)).toEqual([...unsealed, secret])
    expect(firstOf('unexplained', null)).toEqual([...unsealed, secret])
    expect(adviceFor('unexplained', true).at(-1)).toContain('AEM has already sealed')
    expect(adviceFor('unexplained', null).at(-1)).toContain('assume that it has')
  })

  it.each<[string, ReturnType<typeof at>[], boolean]>([
    ['a changed header', [at(13)], true],
    ['a changed header that no package explains', [at(13), at(18, 'nothing-behind-change')], true],
    ['a changed header beside a note', [at(13), at(18, 'x', false)], true],
    ['a changed header beside a changed module', [at(13), at(18)], false],
    ['a note of a header', [at(13, 'x', false), at(18)], false],
    ['no package behind a change', [at(18, 'nothing-behind-change')], false],
    ['nothing', [], false],
  ])('is that of the LUKS headers where nothing but those speaks against it: %s', (_, findings, isLuks) => {
    const [order] = firstOf('unexplained', false, findings)
    expect(order).toMatch(isLuks ? /^if you changed a passphrase/ : /^power off now/)
    expect(firstOf('unexplained', true, findings)).toHaveLength(isLuks ? 4 : 7)
  })
})
