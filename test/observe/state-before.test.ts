import { describe, expect, it } from 'vitest'
import type { Session } from '../../src/core/session/checkpoint.ts'
import type { MachineFacts } from '../../src/observe/dom0/machine.ts'
import { type Before, chooseBefore, toNumbers } from '../../src/observe/launch/state-before.ts'
import { aBaseline } from '../support/a-baseline.ts'
import { aSession } from '../support/built-in.ts'

/* With which boot this one is compared, and what may be other in it. */

const component = (path: string) => ({
  ...{ role: 'xen', path, commandLine: 'console=none', pcr: 18, digests: { sha256: 'aa' } },
})
const baseline = aBaseline({
  bootTime: '2024-07-16T07:00:00.000Z',
  selectedPcrs: [13, 18],
  pcrs: { sha1: { 13: '51' }, sha256: { 13: '11', 18: '12' } },
  components: [component('/xen-4.17.3.gz')] as never,
})
const row = (index: number, vouched?: boolean) => ({
  ...{ index, bank: 'sha256', now: '12', predicted: '22', components: [] },
  ...(vouched === undefined ? {} : { vouched }),
})
const prediction = { calibrated: true, pcrs: [row(13, true), row(17), row(18, false)] } as never
const expectation = { mayChange: [18, 19] } as never
const approved: NonNullable<Session['approved']> = {
  at: '2024-07-17T10:00:00.000Z',
  bootId: 'boot-2',
  pcrs: { 13: '31', 18: '32' },
  components: [component('/xen-4.17.4.gz')] as never,
}
const LUKS = 'c3'.repeat(32)
const findings = { predict: { luksHeaderAccepted: true, luksHeaderValue: LUKS } }

const beforeOf = (bootId: string | null, session: Partial<Session>): Before =>
  chooseBefore(aSession(session), baseline, { bootId } as MachineFacts)

const ofStart: Before = {
  pcrs: { 13: '11', 18: '12' },
  components: baseline.components,
  prediction: [row(13, true)],
  mayChange: [18, 19],
  previousBootTime: baseline.bootTime,
  acceptedLuks: LUKS,
}
const ofApproved: Before = {
  pcrs: { 13: '31', 18: '32' },
  components: approved.components as Before['components'],
  prediction: null,
  mayChange: [],
  previousBootTime: null,
  acceptedLuks: null,
}

describe('this boot is compared', () => {
  const told = { prediction, expectation, findings }

  it.each<[string, string | null, Session['approved'], Before]>([
    ['with that before the restart where none was accepted since', 'boot-2', null, ofStart],
    ['with that before the restart where it is itself the accepted one', 'boot-2', approved, ofStart],
    ['with the accepted one, of which nothing may change, in a later boot', 'boot-3', approved, ofApproved],
    ['with the accepted one where nothing says which boot this is', null, approved, ofApproved],
    [
      'with the accepted one where nothing says which boot that was',
      'boot-2',
      { ...approved, bootId: null },
      ofApproved,
    ],
  ])('%s', (_, bootId, accepted, expected) => {
    expect(beforeOf(bootId, { ...told, approved: accepted })).toEqual(expected)
  })

  it('with what it measured where that is known of the accepted one', () => {
    const { components: _, ...untraced } = approved
    expect(beforeOf('boot-3', { ...told, approved: untraced })).toEqual({ ...ofApproved, components: null })
  })

  it('with nothing that was predicted, confirmed or said, where nothing was', () => {
    const bare = { ...ofStart, prediction: null, mayChange: [], acceptedLuks: null }
    expect(beforeOf('boot-2', {})).toEqual(bare)
  })

  it('with the registers of the bank that was sealed to, and none of another', () => {
    const only = { ...baseline, pcrs: { sha1: { 13: '51' } } }
    expect(chooseBefore(aSession(), only, { bootId: 'boot-2' } as MachineFacts).pcrs).toEqual({})
  })
})

describe('changed LUKS headers', () => {
  it.each<[string, object | undefined, string | null]>([
    ['that a person called the own', { luksHeaderAccepted: true, luksHeaderValue: LUKS }, LUKS],
    ['that a person did not', { luksHeaderAccepted: false, luksHeaderValue: LUKS }, null],
    ['that nobody was asked about', { luksHeaderValue: LUKS }, null],
    ['of which nothing says what they gave', { luksHeaderAccepted: true }, null],
    ['of a session that predicted nothing', undefined, null],
  ])('count with the value they gave then: those %s', (_, predict, expected) => {
    const session = predict === undefined ? {} : { findings: { predict } as Session['findings'] }
    expect(beforeOf('boot-2', session).acceptedLuks).toBe(expected)
  })
})

it('registers are kept by their names, and compared by their numbers', () => {
  expect(toNumbers({ '17': 'aa', '9': 'bb' })).toEqual({ 9: 'bb', 17: 'aa' })
  expect(toNumbers({})).toEqual({})
})
