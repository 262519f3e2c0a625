import { createHash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import type { EventOrigin, LaunchLog } from '../../../src/core/launch/launch-log.ts'
import { extendAll, isListed, replayLog, replayPcr, replayValues } from '../../../src/core/launch/replay.ts'

const LOG: LaunchLog = {
  kind: 'tboot',
  version: null,
  measured: true,
  map: 'legacy',
  events: [],
  modules: [],
  defaultPolicy: null,
  platformEvents: true,
  values: { sinitHash: null, mleHash: null, policyHash: null, policyControl: null },
  startupLocality: null,
  problems: [],
}
const [A, B, C] = ['aa', 'bb', 'cc'].map((byte) => byte.repeat(20)) as [string, string, string]
const ZERO = '00'.repeat(20)
/** TPM 2.0 Library 1.59, part 1, section 17.2. */
const extend = (...values: string[]): string =>
  values.reduce((old, digest) =>
    createHash('sha1')
      .update(Buffer.concat([Buffer.from(old, 'hex'), Buffer.from(digest, 'hex')]))
      .digest('hex'),
  )
const event = (pcr: number, sha1: string | undefined, kind: EventOrigin['kind'] = 'platform') => ({
  pcr,
  type: 0x402,
  digests: sha1 === undefined ? { sha256: 'ee'.repeat(32) } : { sha1 },
  origin: { kind } as EventOrigin,
  data: null,
})
const logOf = (events: LaunchLog['events'], more: Partial<LaunchLog> = {}): LaunchLog => ({
  ...LOG,
  events,
  ...more,
})

describe('the values of a register', () => {
  it('are those after each of its extends in the bank', () => {
    const log = logOf([event(17, A), event(18, C), event(17, undefined), event(17, B)])
    expect(replayValues(log, 'sha1', 17)).toEqual([ZERO, extend(ZERO, A), extend(ZERO, A, B)])
    expect(replayValues(log, 'sha1', 19)).toEqual([ZERO])
  })

  it('begin with the startup locality in register 0 alone', () => {
    const log = logOf([], { startupLocality: 3 })
    expect(replayValues(log, 'sha1', 0)).toEqual([`${'00'.repeat(19)}03`])
    expect(replayValues(log, 'sha256', 0)).toEqual([`${'00'.repeat(31)}03`])
    expect(replayValues(log, 'sha1', 17)).toEqual([ZERO])
    expect(replayValues(logOf([]), 'sha1', 0)).toEqual([ZERO])
  })

  it('end with all digests extended, the first of which may be a value already', () => {
    expect(extendAll('sha1', [])).toBe(ZERO)
    expect(extendAll('sha1', [], true)).toBe(ZERO)
    expect(extendAll('sha1', [A, B])).toBe(extend(ZERO, A, B))
    expect(extendAll('sha1', [A, B, C], true)).toBe(extend(A, B, C))
    expect(extendAll('sha1', [A], true)).toBe(A)
  })
})

describe('a register beside its log', () => {
  const log = logOf([event(17, A), event(17, B), event(18, C)])
  const replay = (now: string | null, isComplete?: boolean) => replayPcr(log, 'sha1', 17, now, isComplete)

  it('is faithful, or not', () => {
    const base = { index: 17, bank: 'sha1', isFirstResult: false }
    const replayed = extend(ZERO, A, B)
    expect(replay(replayed)).toEqual({
      ...base,
      status: 'faithful',
      replayed,
      now: replayed,
      matchesAfter: null,
    })
    expect(replay(C)).toEqual({ ...base, status: 'unfaithful', replayed, now: C, matchesAfter: null })
    expect(replay(null)).toEqual({ ...base, status: 'unknown', replayed, now: null, matchesAfter: null })
  })

  it.each([
    [0, ZERO],
    [1, extend(ZERO, A)],
  ])('is reached after %i extends of its log', (count, now) => {
    expect(replay(now)).toMatchObject({ status: 'unfaithful', matchesAfter: count })
  })

  it('is not in a log that lists nothing of it, or not all', () => {
    const wanted = { status: 'not-in-log', replayed: null }
    expect(replay(extend(ZERO, A, B), false)).toMatchObject(wanted)
    expect(replayPcr(log, 'sha1', 19, ZERO)).toMatchObject(wanted)
    expect(replayPcr(log, 'sha256', 17, '00'.repeat(32))).toMatchObject(wanted)
    expect(replayPcr(logOf([event(17, undefined), event(18, A)]), 'sha1', 17, ZERO)).toMatchObject(wanted)
  })

  it('is unknown where the log cannot be extended', () => {
    expect(replayPcr(logOf([event(17, 'no digest')]), 'sha1', 17, A)).toMatchObject({
      status: 'unknown',
      replayed: null,
    })
  })
})

/* TrenchBoot/openqa-tests-qubesos, tests/aem_hw.pm, "ACM bug". */
describe('a SINIT module that logs a value for its first extend', () => {
  const EVENTS = [event(17, undefined), event(18, C), event(17, A), event(17, B), event(18, C), event(17, C)]
  const DELL = { kind: 'trenchboot', launch: { cpu: 'intel', firmware: 'bios' }, map: 'slaunch' } as const
  const now = extend(A, B, C)

  it('is told by the register', () => {
    expect(replayPcr(logOf(EVENTS, DELL), 'sha1', 17, now)).toEqual({
      index: 17,
      bank: 'sha1',
      status: 'faithful',
      replayed: now,
      now,
      matchesAfter: null,
      isFirstResult: true,
    })
    const two = [event(17, A), event(17, B)]
    expect(replayPcr(logOf(two, DELL), 'sha1', 17, extend(A, B))).toMatchObject({ isFirstResult: true })
  })

  it.each([
    ['of tboot', EVENTS, { ...DELL, kind: 'tboot' as const }],
    ['of an AMD', EVENTS, { ...DELL, launch: { cpu: 'amd', firmware: 'bios' } as const }],
    ['that nobody wrote', EVENTS, { ...DELL, launch: null }],
    [
      'whose first event is a module',
      EVENTS.map((one) => ({ ...one, origin: { kind: 'other' as const } })),
      DELL,
    ],
  ])('is none in a log %s', (_, events, more) => {
    expect(replayPcr(logOf(events, more), 'sha1', 17, now)).toMatchObject({
      status: 'unfaithful',
      isFirstResult: false,
    })
  })

  it('is none in another register, nor where nothing was extended behind', () => {
    const other = EVENTS.map((one) => ({ ...one, pcr: 18 }))
    expect(replayPcr(logOf(other, DELL), 'sha1', 18, extend(C, A, B, C, C))).toMatchObject({
      status: 'unfaithful',
    })
    expect(replayPcr(logOf([event(17, A)], DELL), 'sha1', 17, A)).toMatchObject({ status: 'unfaithful' })
  })
})

/* iwanicki92/drtm-tests, docs/testing.md, "one-bank header". */
describe('multiboot information whose digest the TPM never got', () => {
  const events = [{ ...event(18, A, 'boot-info'), digests: { sha1: A, sha256: 'ee'.repeat(32) } }]
  const statusOf = (index: number, more: Partial<LaunchLog>, own: LaunchLog['events'] = events) =>
    replayPcr(logOf([...own, event(17, A)], more), 'sha1', index, B).status

  it('is in a log of SHA-256 alone, and says nothing of its register', () => {
    expect(statusOf(18, { soleBank: 'sha256' })).toBe('not-in-log')
    expect(statusOf(17, { soleBank: 'sha256' })).toBe('unfaithful')
    expect(statusOf(18, { soleBank: 'sha1' })).toBe('unfaithful')
    expect(statusOf(18, {})).toBe('unfaithful')
    expect(statusOf(18, { soleBank: 'sha256' }, [event(18, A, 'launch-info')])).toBe('unfaithful')
  })
})

describe('all registers', () => {
  it('are those of the log and those asked for, in order, in each bank of the TPM', () => {
    const log = logOf([event(23, A), event(4, A), event(23, B)])
    const now = { sha256: {}, sha1: { 4: extend(ZERO, A) }, md5: { 4: 'x' } }
    const found = replayLog(log, now, [17, 4, 2])
    expect(found.map(({ bank, index }) => `${bank} ${index}`)).toEqual(
      ['sha256', 'sha1'].flatMap((bank) => [2, 4, 17, 23].map((index) => `${bank} ${index}`)),
    )
    expect(found.find(({ bank, index }) => bank === 'sha1' && index === 4)?.status).toBe('faithful')
  })

  it.each([
    ['tboot with the events of SINIT', {}, [17, 18, 19]],
    ['tboot with a problem', { problems: ['cut off'] }, []],
    ['TrenchBoot', { kind: 'trenchboot', platformEvents: false, map: 'slaunch' }, [17, 18, 19]],
    ['TrenchBoot with a problem', { kind: 'trenchboot', problems: ['cut off'] }, []],
    ['tboot without those events', { platformEvents: false }, [19]],
    [
      'tboot without those events, but with the MLE hash',
      { platformEvents: false, values: { ...LOG.values, mleHash: A } },
      [18, 19],
    ],
    ['tboot without those events, in the other map', { platformEvents: false, map: 'da' }, []],
    ['tboot without those events, in no known map', { platformEvents: false, map: null }, []],
  ] as const)('a log of %s lists all of some', (_, more, listed) => {
    const log = { ...LOG, ...more }
    expect([17, 18, 19].filter((index) => isListed(log, index))).toEqual(listed)
  })
})
