import { describe, expect, it } from 'vitest'
import type { LaunchLog } from '../../../src/core/launch/launch-log.ts'
import { type PredictionInput, predictLaunch } from '../../../src/core/launch/predict.ts'
import { refuse } from '../../../src/core/launch/refusal.ts'
import { disk, entryOf, imagesOf, mleOf, predictionInput } from './launch-world.ts'

/** What is said of a register that is not predicted, and of one that stays as it is. */

const INPUT = predictionInput(disk(), disk())
const UNTOLD: PredictionInput['next'] = { entry: null, why: 'grub.cfg could not be read' }
const OTHERS = imagesOf(
  disk({
    xen: { ...disk().xen, content: '1' },
    kernel: { ...disk().kernel, content: '2' },
    initramfs: { ...disk().initramfs, content: '3' },
  }),
)
const predict = (changes: Partial<PredictionInput>, input = INPUT) => predictLaunch({ ...input, ...changes })
const codesOf = (prediction: ReturnType<typeof predictLaunch>) =>
  Object.fromEntries(prediction.pcrs.map(({ index, code }) => [index, code]))

describe('where no file of this boot fits', () => {
  const shorter = { ...entryOf(disk()), modules: entryOf(disk()).modules.slice(0, 2) }
  const normal = { entry: { ...entryOf(disk()), flavour: 'other' as const }, why: null }

  it.each<[string, string, Partial<PredictionInput>]>([
    [
      'that grub.cfg tells no entry, now and for this boot',
      'entry-undetermined',
      { booted: null, next: UNTOLD },
    ],
    ['that none fits, where the entry of this boot is known', 'no-variant-fits', { next: UNTOLD }],
    ['that none fits, where the next entry is known', 'no-variant-fits', { booted: null }],
    [
      'that none fits, where the next entry is no AEM entry',
      'no-variant-fits',
      { booted: null, next: normal },
    ],
    ['that the entry loads another number of modules', 'unknown-module', { booted: shorter, next: UNTOLD }],
  ])('it is said %s', (_what, code, changes) => {
    expect(predict({ images: OTHERS, ...changes })).toMatchObject({ calibrated: false, refusal: { code } })
  })

  it('a launch log that is missing is said before an entry that nobody can tell', () => {
    const { calibrated, refusal } = predict({ log: null, booted: null, next: UNTOLD })
    expect([calibrated, refusal?.code]).toEqual([false, 'log-unreadable'])
  })
})

describe('a refusal', () => {
  it('stands at each register in each bank of the TPM, with its value now', () => {
    const pcrsNow = { sha1: INPUT.pcrsNow.sha1!, sha256: { 18: 'ab'.repeat(32) } }
    const { refusal, pcrs } = predict({ log: null, pcrsNow, selected: [17, 18] })
    const rest = { predicted: null, reason: refusal!.why, code: refusal!.code, components: [] }
    expect(pcrs).toEqual([
      { index: 17, bank: 'sha1', now: pcrsNow.sha1[17], ...rest },
      { index: 18, bank: 'sha1', now: pcrsNow.sha1[18], ...rest },
      { index: 17, bank: 'sha256', now: null, ...rest },
      { index: 18, bank: 'sha256', now: 'ab'.repeat(32), ...rest },
    ])
  })

  it('stands in the banks of the launch alone, once these are known', () => {
    const input = predictionInput(disk(), disk(), '1.10-tpm2')
    const { calibrated, pcrs } = predict({ next: UNTOLD }, input)
    expect(calibrated).toBe(true)
    expect(Object.keys(input.pcrsNow)).toEqual(['sha1', 'sha256'])
    expect(pcrs.map(({ bank, index }) => [bank, index])).toEqual(
      [17, 18, 19].map((index) => ['sha256', index]),
    )
  })

  it('of one register stands there with its value now', () => {
    const unchanged = { launcher: null, sinit: false, policy: null }
    expect(predict({ unchanged }).pcrs[0]).toEqual({
      index: 17,
      bank: 'sha1',
      now: INPUT.pcrsNow.sha1![17],
      predicted: null,
      reason: 'the SINIT module has changed since this boot; what it measures is known after the next one',
      code: 'sinit-changed',
      components: [],
    })
  })

  it('of every register asked for is that of the whole', () => {
    const unchanged = { launcher: null, sinit: null, policy: null }
    const alone = predict({ unchanged, selected: [17] })
    expect(alone).toMatchObject({
      calibrated: true,
      refusal: refuse(
        'sinit-unknown',
        'it could not be told whether the SINIT module is still the one of this boot',
      ),
    })
    expect(predict({ unchanged, selected: [17, 18] }).refusal).toBeNull()
  })

  it('is none where no register of the launch was asked for', () => {
    expect(predict({ selected: [13] })).toMatchObject({ calibrated: true, refusal: null, pcrs: [] })
  })

  it('names the launcher of the next entry where it is the other one', () => {
    const entry = { ...entryOf(disk()), flavour: 'trenchboot' as const }
    expect(predict({ next: { entry, why: null } }).refusal).toMatchObject({
      code: 'other-flavour',
      why: 'this boot was launched by tboot, the entry that boots next uses trenchboot',
    })
  })
})

it('a register outside the log that stays is told from one that nothing is measured into', () => {
  const input = predictionInput(disk(), disk(), '1.9.12')
  const { pcrs } = predict(
    { selected: [17, 20], unchanged: { launcher: true, sinit: true, policy: true } },
    input,
  )
  expect(pcrs.map(({ index, reason }) => [index, reason])).toEqual([
    [17, 'nothing measured into it has changed'],
    [20, 'nothing is measured into it'],
  ])
})

describe('whether tboot is still the one of this boot', () => {
  const known = mleOf(disk())
  const unchanged = { launcher: true, sinit: true, policy: null }

  it('is told by its hash under either rule for command lines', () => {
    const nobody = { launcher: null, sinit: true, policy: null }
    for (const mleNow of [
      { whole: known.whole, 'first-word-stripped': {} },
      { whole: {}, 'first-word-stripped': known.whole },
    ])
      expect(codesOf(predict({ mleNow, unchanged: nobody }))).toEqual({ 17: null, 18: null, 19: null })
  })

  it('is told by other evidence where its file gives no hash', () => {
    const mleNow = { whole: {}, 'first-word-stripped': {} }
    expect(codesOf(predict({ mleNow, unchanged }))).toEqual({ 17: null, 18: null, 19: null })
  })

  it('is told by other evidence where the log has no hash of it', () => {
    const input = predictionInput(disk(), disk(), '1.9.12')
    const log = input.log as LaunchLog
    const unnamed = {
      ...log,
      events: log.events.filter(({ origin }) => origin.kind !== 'mle'),
      values: { ...log.values, mleHash: null },
    }
    expect(codesOf(predict({ log: unnamed, unchanged }, input))).toEqual({
      17: null,
      18: 'not-measured-by-launch',
      19: null,
    })
    const changed = { ...unchanged, launcher: false }
    expect(codesOf(predict({ log: unnamed, unchanged: changed }, input))).toMatchObject({
      17: 'tboot-changed',
    })
  })
})
