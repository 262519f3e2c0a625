import { describe, expect, it } from 'vitest'
import { predictLuksPcr } from '../../../src/core/launch/predict-luks.ts'
import { refuse } from '../../../src/core/launch/refusal.ts'

const NOW = '13'.repeat(32)

describe('PCR 13 at the next boot', () => {
  it('is the present one when the headers give it', () => {
    expect(predictLuksPcr('sha256', NOW, { value: NOW }, null)).toEqual({
      index: 13,
      bank: 'sha256',
      now: NOW,
      predicted: NOW,
      reason: 'the LUKS headers are those this boot measured',
      code: null,
      components: [],
    })
  })

  it.each([
    ['the headers changed', NOW, { value: '14'.repeat(32) }, 'luks-header-changed', 'passphrase or key slot'],
    ['the headers were not read', NOW, { why: 'no root' }, 'luks-header-unknown', 'not compared: no root'],
    ['the register cannot be read', null, { value: NOW }, 'pcrs-unreadable', 'PCR 13 could not be read'],
    ['nothing was measured', '00'.repeat(32), { value: '00'.repeat(32) }, 'luks-header-unknown', 'unset'],
  ])('is not predicted when %s', (_, now, headers, code, words) => {
    const row = predictLuksPcr('sha256', now, headers, null)
    expect(row).toMatchObject({ predicted: null, code })
    expect(row.reason).toContain(words)
  })

  it('is not predicted alone', () => {
    const refusal = refuse('log-unreadable', 'there is no launch log of this boot')
    expect(predictLuksPcr('sha256', NOW, { value: NOW }, refusal)).toMatchObject({
      predicted: null,
      code: 'log-unreadable',
      reason: refusal.why,
    })
  })

  it('is told to have changed also where nothing of the launch is predicted', () => {
    const refusal = refuse('log-unreadable', 'there is no launch log of this boot')
    expect(predictLuksPcr('sha256', NOW, { value: '14'.repeat(32) }, refusal)).toMatchObject({
      predicted: null,
      code: 'luks-header-changed',
    })
    expect(predictLuksPcr('sha256', NOW, { why: 'no root' }, refusal)).toMatchObject({
      code: 'log-unreadable',
    })
  })
})
