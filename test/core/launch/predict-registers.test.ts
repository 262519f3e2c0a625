import { describe, expect, it } from 'vitest'
import type { LaunchEvent, LaunchLog } from '../../../src/core/launch/launch-log.ts'
import type { PredictionInput } from '../../../src/core/launch/predict.ts'
import { predictLaunch } from '../../../src/core/launch/predict.ts'
import { disk, machineOf, mleOf, predictionInput } from './launch-world.ts'
import { hash, pcrsOf } from './tboot-writer.ts'

/** Which registers are predicted, and by what, where a machine is not as most are. */

const FORMS = ['1.7', '1.9.12', '1.10-tpm12', '1.10-tpm2'] as const

const codesOf = (input: PredictionInput) =>
  Object.fromEntries(predictLaunch(input).pcrs.map(({ index, code }) => [index, code]))

const sha1 = (...parts: (Uint8Array | string)[]): string => hash('sha1', ...parts).toString('hex')
const extended = (value: string, digest: string): string => sha1(Buffer.from(value + digest, 'hex'))

describe.each(FORMS)('PCR 17, log form %s', (form) => {
  const strips = form === '1.7'

  it('is not predicted with another SINIT', () => {
    const unchanged = { launcher: true, sinit: false, policy: true }
    expect(codesOf(predictionInput(disk(), disk(), form, { unchanged }, strips))[17]).toBe('sinit-changed')
  })

  it("is not predicted where tboot changed and its policy's digest is in that register", () => {
    const now = disk({ tboot: 'tboot 1.11' })
    const input = predictionInput(disk(), now, form, { mleNow: mleOf(now) }, strips)
    expect(codesOf(input)[17]).toBe('tboot-changed')
  })

  it('is predicted where nothing changed', () => {
    expect(codesOf(predictionInput(disk(), disk(), form, {}, strips))[17]).toBeNull()
  })
})

it('another tboot is not predicted under the old rule for command lines, which a later one may have given up', () => {
  const now = disk({ tboot: 'tboot 1.9.4' })
  const input = predictionInput(disk(), now, '1.10-tpm12', { mleNow: mleOf(now) }, true)
  expect(codesOf(input)).toMatchObject({ 18: 'tboot-changed', 19: null })
})

describe('a register', () => {
  it('that cannot be read is not predicted', () => {
    const input = predictionInput(disk(), disk())
    const { 18: _, ...rest } = input.pcrsNow.sha1!
    expect(codesOf({ ...input, pcrsNow: { sha1: rest } })).toEqual({
      17: null,
      18: 'pcrs-unreadable',
      19: null,
    })
  })

  it('that the launch does not fill is predicted where nothing else filled it', () => {
    const input = { ...predictionInput(disk(), disk()), selected: [17, 20, 22] }
    const unset = input.pcrsNow.sha1![20]!
    expect(predictLaunch(input).pcrs.map(({ index, predicted }) => [index, predicted])).toEqual([
      [17, input.pcrsNow.sha1![17]],
      [20, unset],
      [22, input.pcrsNow.sha1![22]],
    ])
    const filled = { sha1: { ...input.pcrsNow.sha1, 20: sha1('something else') } }
    expect(codesOf({ ...input, pcrsNow: filled })).toEqual({
      17: null,
      20: 'not-measured-by-launch',
      22: null,
    })
    const { 20: _, ...unread } = input.pcrsNow.sha1!
    expect(codesOf({ ...input, pcrsNow: { sha1: unread } })).toMatchObject({ 20: 'pcrs-unreadable' })
  })

  it('that is none of the launch is left out', () => {
    const input = { ...predictionInput(disk(), disk()), selected: [0, 13, 16, 17, 22, 23] }
    expect(predictLaunch(input).pcrs.map(({ index }) => index)).toEqual([17, 22])
  })

  it('to which the log does not lead refuses the whole', () => {
    const input = { ...predictionInput(disk(), disk()), selected: [17, 20] }
    const log = input.log as LaunchLog
    const event: LaunchEvent = {
      pcr: 20,
      type: 0x501,
      digests: { sha1: sha1('logged') },
      origin: { kind: 'platform' },
      data: null,
    }
    const prediction = predictLaunch({ ...input, log: { ...log, events: [...log.events, event] } })
    expect(prediction.refusal?.code).toBe('log-unfaithful')
    expect(prediction.pcrs.every(({ predicted }) => predicted === null)).toBe(true)
  })
})

describe('a bank', () => {
  const input = predictionInput(disk(), disk(), '1.10-tpm2')
  const log = input.log as LaunchLog
  const banksOf = (modules: LaunchLog['modules']) => {
    const { pcrs } = predictLaunch({ ...input, log: { ...log, modules } })
    return [...new Set(pcrs.map(({ bank }) => bank))]
  }

  it('in which the launch measured no module is not predicted in', () => {
    expect(Object.keys(input.pcrsNow)).toEqual(['sha1', 'sha256'])
    expect(banksOf(log.modules)).toEqual(['sha256'])
  })

  it('that holds the placeholder of a launcher that cannot compute it is not predicted in', () => {
    const placeholder = `01${'00'.repeat(19)}`
    const modules = log.modules.map((one) => ({ ...one, digests: { ...one.digests, sha1: placeholder } }))
    expect(banksOf(modules)).toEqual(['sha256'])
  })
})

describe('a further module', () => {
  const extra = { path: '/more', content: 'more', commandLine: 'm' }

  it('is measured behind the others, and before what tboot measures after them', () => {
    const now = disk({ extra: [extra] })
    const input = predictionInput(disk(), now)
    const log = input.log as LaunchLog
    // The policy's digest once more, behind the modules.
    const digest = sha1('policy, again')
    const last: LaunchEvent = {
      pcr: 19,
      type: 0x501,
      digests: { sha1: digest },
      origin: { kind: 'policy' },
      data: null,
    }
    const pcrs19 = extended(input.pcrsNow.sha1![19]!, digest)
    const prediction = predictLaunch({
      ...input,
      log: { ...log, events: [...log.events, last] },
      pcrsNow: { sha1: { ...input.pcrsNow.sha1, 19: pcrs19 } },
    })
    const after = extended(pcrsOf(machineOf(now)).sha1![19]!, digest)
    expect(prediction.pcrs.find(({ index }) => index === 19)?.predicted).toBe(after)
  })
})
