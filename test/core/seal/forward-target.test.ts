import { createHash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { decideForwardTarget } from '../../../src/core/seal/forward-target.ts'

const hex = (byte: string): string => byte.repeat(32)
const CAPPED = createHash('sha256')
  .update(Buffer.concat([Buffer.alloc(32), Buffer.alloc(32, 0xff)]))
  .digest('hex')
const selected = [13, 17, 18, 19]
const present = { 13: hex('13'), 17: hex('17'), 18: hex('18'), 19: hex('19') }
const row = (index: number, predicted: string | null, bank = 'sha256') => ({
  index,
  bank,
  predicted,
  vouched: true,
})
const good = {
  calibrated: true,
  refusal: null,
  pcrs: [
    row(17, hex('17')),
    row(18, hex('ee')),
    row(19, hex('19')),
    row(18, '11'.repeat(20), 'sha1'),
    row(13, hex('13')),
  ],
}

describe('decideForwardTarget', () => {
  it('takes the predicted values', () => {
    expect(decideForwardTarget(good, selected, 'sha256', present)).toEqual({
      values: { 13: hex('13'), 17: hex('17'), 18: hex('ee'), 19: hex('19') },
    })
  })

  it.each([
    ['no prediction', null],
    ['another form', { pcrs: 'all' }],
    ['refused', { ...good, refusal: { code: 'details-map', why: 'the map is another one' } }],
    ['not calibrated', { ...good, calibrated: false }],
    ['calibrated null', { ...good, calibrated: null }],
    ['a register is left out', { ...good, pcrs: good.pcrs.slice(1) }],
    ['a register is null', { ...good, pcrs: [row(17, null), ...good.pcrs.slice(1)] }],
    [
      'a register of the other bank only',
      { ...good, pcrs: [row(17, hex('17'), 'sha1'), ...good.pcrs.slice(1)] },
    ],
    ['PCR 13 is left out', { ...good, pcrs: good.pcrs.slice(0, -1) }],
    ['the LUKS headers could not be compared', { ...good, pcrs: [...good.pcrs.slice(0, -1), row(13, null)] }],
    ['PCR 13 is not the present one', { ...good, pcrs: [...good.pcrs.slice(0, -1), row(13, hex('14'))] }],
    ['a value of another size', { ...good, pcrs: [row(17, 'abcd'), ...good.pcrs.slice(1)] }],
    [
      'a register that nothing vouches for',
      { ...good, pcrs: [{ ...row(17, hex('17')), vouched: false }, ...good.pcrs.slice(1)] },
    ],
    ['a register would be unset', { ...good, pcrs: [row(17, hex('00')), ...good.pcrs.slice(1)] }],
    ['a register would be unlaunched', { ...good, pcrs: [row(17, hex('ff')), ...good.pcrs.slice(1)] }],
    ['a register would be capped', { ...good, pcrs: [row(17, CAPPED), ...good.pcrs.slice(1)] }],
  ])('seals to nothing: %s', (_, prediction) => {
    expect(decideForwardTarget(prediction, selected, 'sha256', present)).toHaveProperty('problems')
  })

  it('says why a register is not predicted', () => {
    const reason = 'the LUKS headers were not compared: no root'
    const pcrs = [...good.pcrs.slice(0, -1), { ...row(13, null), reason }]
    expect(decideForwardTarget({ ...good, pcrs }, selected, 'sha256', present)).toEqual({
      problems: [`PCR 13 is not predicted: ${reason}`],
    })
  })

  it('seals to nothing without the selection, the bank or PCR 13', () => {
    expect(decideForwardTarget(good, null, 'sha256', present)).toHaveProperty('problems')
    expect(decideForwardTarget(good, [], 'sha256', present)).toHaveProperty('problems')
    expect(decideForwardTarget(good, selected, null, present)).toHaveProperty('problems')
    expect(decideForwardTarget(good, selected, 'sha256', { ...present, 13: hex('00') })).toHaveProperty(
      'problems',
    )
    expect(decideForwardTarget(good, selected, 'sha256', {})).toHaveProperty('problems')
  })
})
