import { describe, expect, it } from 'vitest'
import type { OwnBoot } from '../../../src/core/decide/own-boot.ts'
import {
  type BindingFacts,
  bindingOfBlobs,
  judgeBinding,
  type SealedBinding,
} from '../../../src/core/decide/verify-binding.ts'
import { computeTpm12Composite } from '../../../src/core/seal/tpm12-blob.ts'

/** Which case a binding is, by the words that are said of it: several are open, and not for one reason. */

type Values = Record<number, string>

const SELECTED = [13, 17, 18, 19]
const value = (digit: string): string => digit.repeat(40)
const HERE: Values = { 13: value('1'), 17: value('2'), 18: value('3'), 19: value('4') }
const THERE: Values = { ...HERE, 19: value('5') }
const AT = '2026-05-01T10:00:00.000Z'
const NOTHING: OwnBoot = { approved: null, verified: null }

const blob = (pcrs: readonly number[], values: Values) => ({
  pcrs,
  digestAtRelease: computeTpm12Composite(pcrs, values) ?? '',
})
const approved = (registers: Values, isCurrent: boolean | null = true): OwnBoot => ({
  approved: { at: AT, registers, isCurrent },
  verified: null,
})

function judge(sealedTo: Values, facts: Partial<BindingFacts>) {
  const sealed: SealedBinding | null = bindingOfBlobs([blob(SELECTED, sealedTo)])
  if (sealed === null) throw new Error('no register in the blob of this test')
  const { check, untried } = judgeBinding(sealed, {
    label: 'aem.stick',
    isBooted: false,
    bootedLabel: 'aem',
    present: HERE,
    forward: null,
    own: NOTHING,
    shared: [13, 17, 18],
    ...facts,
  })
  return [check.ok, check.detail, untried]
}

const RELEASE = 'only a boot from aem.stick can release it'

describe('sealed files of the device of this boot', () => {
  it('are bad where they are bound neither to this boot nor to the one they were sealed forward for', () => {
    const elsewhere = { ...HERE, 18: value('9') }
    expect(judge(THERE, { isBooted: true, forward: elsewhere })).toEqual([
      false,
      'bound to other PCR values than those of this boot',
      null,
    ])
  })

  it('are open where the session that would tell of a forward seal cannot be read', () => {
    expect(judge(THERE, { isBooted: true, forward: 'unknown' })).toEqual([
      null,
      'bound to other PCR values than those of this boot; it may be sealed forward, which only the session tells',
      'whether it is sealed forward is not known: the session cannot be read',
    ])
    expect(judge(HERE, { isBooted: true, forward: 'unknown' })[0]).toBe(true)
  })
})

describe('sealed files of another device, bound to this boot', () => {
  const bound = 'bound to the PCR values of this boot, which came from aem'

  it('are bad by the registers that its own boot is known to have otherwise, and by no others', () => {
    expect(judge(HERE, { own: approved(THERE), shared: [13] })).toEqual([
      false,
      `${bound}; its own boot of ${AT} had another PCR 19`,
      null,
    ])
    const { 17: _, ...rest } = THERE
    expect(judge(HERE, { own: approved(rest), shared: [13] })[1]).toContain('had another PCR 19')
  })

  it.each<[string, OwnBoot]>([
    ['nothing is known of its own boot', NOTHING],
    [
      'its own boot is known without that register',
      approved({ 13: value('1'), 17: value('2'), 18: value('3') }),
    ],
  ])('are open where %s', (_why, own) => {
    expect(judge(HERE, { own })).toEqual([null, `${bound}; the values of its own boot are not known`, null])
  })
})

describe('sealed files of another device, bound to something else', () => {
  const own = `bound to the PCR values of its own boot, approved at ${AT}`

  it.each([
    [true, own],
    [null, `${own}; whether that is the state of today is not known`],
    [false, `${own}, but another state was approved since: its boot files may be old`],
  ])('are those of its approved boot, which is current: %s', (isCurrent, words) => {
    expect(judge(THERE, { own: approved(THERE, isCurrent) })).toEqual([
      isCurrent === true || null,
      words,
      RELEASE,
    ])
  })

  const not = 'not bound to the PCR values of this boot, which came from aem'
  const verified = { at: AT, registers: THERE }
  const further = { ...THERE, 19: value('6') }
  it.each<[string, Values, OwnBoot, string]>([
    [
      'of a boot of its own that nobody approved',
      THERE,
      { approved: null, verified },
      `bound to the PCR values of its own boot of ${AT}, which was never approved`,
    ],
    [
      'of no boot, where one of its own is known',
      further,
      { approved: null, verified },
      `${not}; of its own boot nothing is known`,
    ],
    [
      'of no boot, where an approved one is known',
      further,
      approved(THERE),
      `${not}; nor those of its own approved boot`,
    ],
    ['of no boot, where none is known', THERE, NOTHING, `${not}; of its own boot nothing is known`],
  ])('are %s', (_what, sealedTo, own, words) => {
    expect(judge(sealedTo, { own })).toEqual([null, words, RELEASE])
  })

  it('say where this boot came from as far as it is known', () => {
    expect(judge(THERE, { bootedLabel: null })[1]).toContain(
      'which came from another device, or from no AEM entry;',
    )
  })
})

it('the registers of several sealed files are told in ascending order, each once', () => {
  expect(bindingOfBlobs([blob([19, 18], HERE), blob([18, 13, 17], HERE)])?.pcrs).toEqual([13, 17, 18, 19])
})
