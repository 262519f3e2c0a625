import { describe, expect, test } from 'vitest'
import { parseUnitShow } from '../../../src/core/aem/seal-outcome.ts'
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
