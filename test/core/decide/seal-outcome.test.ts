import { describe, expect, test } from 'vitest'
import { type AemJournal, parseAemJournal, parseUnitShow } from '../../../src/core/aem/seal-outcome.ts'
import { decideSealOutcome, type SealFacts } from '../../../src/core/decide/seal-outcome.ts'

const DROP_IN = '/etc/systemd/system/anti-evil-maid-seal.service.d/50-aem-reseal-hold.conf'

/** `systemctl show` of the seal unit, systemd 252, as it stood after each of these (test/stage/hold-systemd.test.ts). */
function shown(change: Record<string, string>) {
  const properties = {
    LoadState: 'loaded',
    ActiveState: 'inactive',
    SubState: 'dead',
    Result: 'success',
    ConditionResult: 'yes',
    ExecMainStatus: '0',
    ExecMainStartTimestampMonotonic: '0',
    ExecMainExitTimestampMonotonic: '0',
    DropInPaths: DROP_IN,
    ...change,
  }
  return parseUnitShow(
    Object.entries(properties)
      .map((pair) => pair.join('='))
      .join('\n'),
  )
}

const HELD = { Result: 'exec-condition', ConditionResult: 'no' }

function decide(unit: Record<string, string> | null, change: Partial<SealFacts> = {}) {
  return decideSealOutcome({
    journal: null,
    unit: unit === null ? null : shown(unit),
    sealedInThisBoot: false,
    heldByDropIn: true,
    ...change,
  })
}

describe('waiting', () => {
  const LINE = '2024-07-17T09:00:05+0200 dom0 anti-evil-maid-seal[500]: '
  const journal = parseAemJournal(`${LINE}Waiting for /dev/disk/by-uuid/b1f7 to be removed...`)

  test('the seal is at work', () => expect(decide({ ActiveState: 'activating' })).toBe('waiting'))
  test('AEM waits for a device, and its unit has not ended in this boot', () => {
    expect(decide({}, { journal })).toBe('waiting')
    expect(decide({}, { journal, sealedInThisBoot: true })).toBe('waiting')
  })
  test('not any more, once the unit has ended or AEM has found its device', () => {
    const ended = { ExecMainStartTimestampMonotonic: '14011023', ExecMainExitTimestampMonotonic: '15011023' }
    expect(decide(ended, { journal, sealedInThisBoot: true })).toBe('sealed')
    expect(decide({}, { journal: { ...journal, isWaitingForDevice: null } })).toBe('not-sealed')
  })
  test('not where nothing is known of the unit', () => expect(decide(null, { journal })).toBe('unknown'))
})

describe('held', () => {
  test('the gate said no', () => expect(decide(HELD)).toBe('held'))
  test('by a condition of the unit itself, not of a drop-in', () => {
    expect(decide(HELD, { heldByDropIn: false })).toBe('held')
  })
  test('also where the times of the files are not known', () => {
    expect(decide(HELD, { sealedInThisBoot: null })).toBe('held')
  })
  test.each(['signal', 'exit-code', 'timeout', 'core-dump'])('the gate did not answer: %s', (Result) => {
    expect(decide({ ActiveState: 'failed', SubState: 'failed', Result })).toBe('held')
  })
  test('no unit is there, and the note of this boot says it', () => {
    expect(decide(null, { hasHeldNote: true })).toBe('held')
  })
  test('systemd forgot it, and the note of this boot says it', () => {
    expect(decide({ ConditionResult: 'no' }, { hasHeldNote: true })).toBe('held')
  })
})

describe('not held', () => {
  test('the seal ran before and the gate said no to a second one', () => {
    expect(decide(HELD, { sealedInThisBoot: true })).toBe('sealed')
  })
  test('the seal itself failed', () => {
    const unit = { ActiveState: 'failed', Result: 'exit-code', ExecMainStartTimestampMonotonic: '14011023' }
    expect(decide(unit)).toBe('failed')
  })
  test('its own conditions were not met', () => {
    expect(decide({ ConditionResult: 'no' })).toBe('not-sealed')
  })
  test('a note without a drop-in is no hold', () => {
    expect(decide({ ConditionResult: 'no' }, { heldByDropIn: false, hasHeldNote: true })).toBe('not-sealed')
  })
  test('nothing is known', () => expect(decide(null)).toBe('unknown'))
})

const QUIET: AemJournal = {
  unseal: null,
  sealedFiles: [],
  failedFiles: [],
  isWaitingForDevice: null,
  sanityCheckFailed: false,
  sealFailed: null,
  sealMentioned: false,
  lastSealLineAt: null,
}
const journal = (change: Partial<AemJournal>) => ({ journal: { ...QUIET, ...change } })
const RAN = { ExecMainStartTimestampMonotonic: '14011023', ExecMainExitTimestampMonotonic: '14911023' }
const RUNS = { ...RAN, ActiveState: 'activating', ExecMainExitTimestampMonotonic: '0' }
const ENDED_BADLY = { ...RAN, ActiveState: 'failed', Result: 'exit-code' }

describe('what AEM did', () => {
  test.each<[ReturnType<typeof decide>, string, Record<string, string> | null, Partial<SealFacts>]>([
    ['waiting', 'the unit is being started', RUNS, {}],
    [
      'waiting',
      'the unit is being started, whatever the journal says',
      RUNS,
      journal({ sanityCheckFailed: true }),
    ],
    ['waiting', 'it asked for the device, and has not ended', {}, journal({ isWaitingForDevice: 'aem' })],
    ['not-sealed', 'it asked for no device, and never ran', {}, journal({})],
    [
      'sealed',
      'it asked for the device, and ended',
      RAN,
      { ...journal({ isWaitingForDevice: 'aem' }), sealedInThisBoot: true },
    ],
    [
      'unknown',
      'it asked for the device, and no unit tells more',
      null,
      journal({ isWaitingForDevice: 'aem' }),
    ],
    ['failed', 'its sanity check failed', {}, journal({ sanityCheckFailed: true })],
    [
      'failed',
      'its sanity check failed after the unseal',
      null,
      journal({ sanityCheckFailed: true, unseal: 'unsealed' }),
    ],
    ['failed', 'the unit failed after the unseal', ENDED_BADLY, journal({ unseal: 'unsealed' })],
    ['sealed', 'the unit failed after the files were written', ENDED_BADLY, { sealedInThisBoot: true }],
    [
      'failed',
      'the unit failed, and the times of the files are not known',
      ENDED_BADLY,
      { sealedInThisBoot: null },
    ],
    ['failed', 'exit 0 is no proof of a seal that wrote no file', RAN, {}],
    ['unknown', 'exit 0, and the times of the files are not known', RAN, { sealedInThisBoot: null }],
    ['sealed', 'the files were written, and no unit tells more', null, { sealedInThisBoot: true }],
    ['unsealed', 'the secret was released', {}, journal({ unseal: 'unsealed' })],
    ['unsealed', 'the secret was released, and no unit tells more', null, journal({ unseal: 'unsealed' })],
    ['not-sealed', 'the registers were others at the unseal', {}, journal({ unseal: 'mismatch' })],
    ['unknown', 'it never ran, and the times of the files are not known', {}, { sealedInThisBoot: null }],
  ])('%s: %s', (outcome, _what, unit, facts) => {
    expect(decide(unit, facts)).toBe(outcome)
  })
})

describe('no hold', () => {
  test('is a seal that ran, whatever note was left', () => {
    expect(decide(RAN, { hasHeldNote: true })).toBe('failed')
    expect(decide(RAN, { hasHeldNote: true, sealedInThisBoot: null })).toBe('unknown')
  })
  test('is a unit that tells no result', () => expect(decide({ Result: '' })).toBe('not-sealed'))
  test('is a crash of the unit that no drop-in holds', () => {
    expect(decide({ ActiveState: 'failed', Result: 'signal' }, { heldByDropIn: false })).toBe('not-sealed')
  })
  test('is a drop-in alone', () => expect(decide({})).toBe('not-sealed'))
})
