import { describe, expect, it } from 'vitest'
import { listNextChanges } from '../../../src/core/decide/next-changes.ts'
import type { Session } from '../../../src/core/session/checkpoint.ts'
import { aBaseline } from '../../support/a-baseline.ts'
import { aSession } from '../../support/built-in.ts'

const BASELINE = aBaseline({
  selectedPcrs: [17, 18, 19],
  pcrs: { sha256: { 17: 'aa', 18: 'bb', 19: 'cc' } },
  kernelCommandLine: 'root=/dev/x quiet',
})
const KERNEL = { role: 'kernel', path: '/vmlinuz', commandLine: 'root=/dev/x debug', changed: true }
const row = (index: number, predicted: string | null, components: readonly object[] = []) => ({
  ...{ index, bank: 'sha256', now: null, predicted, vouched: true, reason: '', code: null, components },
})
const predict = (pcrs: readonly object[], changes: object = {}) =>
  ({ calibrated: true, refusal: null, pcrs, ...changes }) as unknown as Session['prediction']
const PREDICTION = predict([
  row(17, 'aa'),
  row(18, 'dd', [KERNEL, { role: 'xen', changed: false }]),
  row(19, null),
])

const list = (changes: Partial<Session>) => listNextChanges(aSession({ baseline: BASELINE, ...changes }))

describe('what changes at the next boot', () => {
  it('is told by register, with the parts that make it; what nothing foretells is told apart', () => {
    expect(list({ prediction: PREDICTION })).toEqual({
      changes: [{ index: 18, parts: [{ role: 'kernel', path: '/vmlinuz', package: null, words: null }] }],
      unpredicted: [19],
    })
  })

  it('is told of each register by itself: what makes another one is no part of it', () => {
    const initramfs = { role: 'initramfs', path: '/initramfs.img', changed: true }
    const both = predict([row(17, 'aa'), row(18, 'dd', [KERNEL]), row(19, 'ee', [initramfs])])
    expect(
      list({ prediction: both })?.changes.map(({ index, parts }) => [index, parts.map(({ role }) => role)]),
    ).toEqual([
      [18, ['kernel']],
      [19, ['initramfs']],
    ])
  })

  it('is told word by word where a person accepted another command line', () => {
    const findings = { predict: { accepted: [{ kind: 'command-line', path: '/vmlinuz' }] } }
    const words = list({ prediction: PREDICTION, findings })?.changes[0]?.parts[0]?.words
    expect(words).toMatchObject({ added: ['debug'], removed: ['quiet'] })
  })

  it.each<[string, Partial<Session>]>([
    ['nothing was recorded', { baseline: null, prediction: PREDICTION }],
    ['nothing was predicted', { prediction: null }],
    [
      'the prediction was refused',
      { prediction: predict([row(17, 'aa')], { refusal: { code: 'x', why: 'y' } }) },
    ],
    ['the prediction is not calibrated', { prediction: predict([row(17, 'aa')], { calibrated: false }) }],
  ])('is not known where %s', (_why, changes) => {
    expect(list(changes)).toBeNull()
  })
})
