import { createHash } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { decideGate, type GateFacts } from '../../../src/core/decide/gate.ts'
import { type Session, startSession } from '../../../src/core/session/checkpoint.ts'
import { aBaseline } from '../../support/a-baseline.ts'

const OLD = { 13: '13a0', 17: '17a0', 18: '18a0', 19: '19a0' }
const NEW = { ...OLD, 18: '18b0' }
const THIS_BOOT = 'boot-2'

/** A session whose restart is planned: Xen is updated, 18 and 19 may change, all launch registers are predicted. */
function planned(change: Partial<Session> = {}): Session {
  const begin = startSession({
    id: 'd2719c8e-5b0a-4f0e-9a57-3f4c1f0a9d11',
    now: new Date('2024-07-16T18:00:00Z'),
    bootId: 'boot-1',
    flow: 'post-update',
  })
  return {
    ...begin,
    protection: 'hold',
    restart: 'manual',
    baseline: aBaseline({
      takenAt: begin.since,
      selectedPcrs: [13, 17, 18, 19],
      pcrs: { sha256: OLD },
    }),
    expectation: {
      bulletins: [103],
      bulletinPcrs: [18, 19],
      mayChange: [18, 19],
      downgrades: [],
      changedPackages: ['xen-hypervisor'],
      xenBuildId: null,
      deviceUuid: null,
    },
    prediction: predictionOf({ 17: '17a0', 18: '18b0', 19: '19a0' }),
    ...change,
  }
}

function accepted(pcrs: Record<number, string>): Session {
  return planned({ approved: { at: '2024-07-16T19:00:00Z', bootId: 'boot-2', pcrs } })
}

function predictionOf(values: Record<number, string | null>, bank = 'sha256') {
  const pcrs = Object.entries(values).map(([index, predicted]) => ({
    index: Number(index),
    bank,
    predicted,
    vouched: true,
  }))
  return { calibrated: true, variant: null, entry: null, refusal: null, pcrs }
}

function facts(change: Partial<GateFacts> = {}): GateFacts {
  return {
    bootId: THIS_BOOT,
    unseal: 'mismatch',
    selectedPcrs: [13, 17, 18, 19],
    bank: 'sha256',
    pcrs: NEW,
    session: planned(),
    ...change,
  }
}

const held = (reason: string, pcrs: number[] = []) => ({ mayRun: false, reason, pcrs })

describe('a register that shows no measurement', () => {
  const capped = createHash('sha256')
    .update(Buffer.concat([Buffer.alloc(32), Buffer.alloc(32, 0xff)]))
    .digest('hex')
  const constants = ['00'.repeat(32), 'ff'.repeat(32), capped]

  test.each(constants)(
    'holds the seal though the token unsealed, it was accepted or predicted: %s',
    (value) => {
      const pcrs = { ...NEW, 18: value }
      const unsealed = { unseal: 'unsealed', session: null } as const
      expect(decideGate(facts({ ...unsealed, pcrs }))).toEqual(held('unmeasured', [18]))
      expect(decideGate(facts({ session: accepted(pcrs), pcrs }))).toEqual(held('unmeasured', [18]))
      const session = planned({ prediction: predictionOf({ 17: '17a0', 18: value, 19: '19a0' }) })
      expect(decideGate(facts({ session, pcrs }))).toEqual(held('unmeasured', [18]))
    },
  )

  test.each(constants)(
    'of PCR 17 counts also where it is not selected, or the selection is unknown: %s',
    (value) => {
      const pcrs = { ...NEW, 17: value }
      for (const selectedPcrs of [[13, 18], null])
        expect(decideGate(facts({ unseal: 'unsealed', session: null, pcrs, selectedPcrs }))).toEqual(
          held('unmeasured', [17]),
        )
    },
  )

  test('an empty register that is not selected says nothing', () => {
    const pcrs = { ...NEW, 20: '00'.repeat(32) }
    expect(decideGate(facts({ unseal: 'unsealed', session: null, pcrs }))).toMatchObject({ mayRun: true })
  })
})

describe('nothing changed', () => {
  test('the seal runs when the token unsealed and was the current one', () => {
    expect(decideGate(facts({ unseal: 'unsealed', session: null, pcrs: {}, bank: null }))).toEqual({
      mayRun: true,
      rule: 'unsealed',
    })
  })

  describe('while a session is open, what the initrd says is compared with the registers', () => {
    const unsealed = (change: Partial<GateFacts>) => decideGate(facts({ unseal: 'unsealed', ...change }))
    const ran = { mayRun: true, rule: 'unsealed' }

    test.each([
      ['as before the restart', { pcrs: OLD }],
      ['as predicted, after a forward seal', { pcrs: NEW }],
      [
        'as accepted in an earlier boot',
        { pcrs: { ...OLD, 19: '19c0' }, session: accepted({ ...OLD, 19: '19c0' }) },
      ],
    ])('%s: it runs', (_, change) => {
      expect(unsealed(change)).toEqual(ran)
    })

    test('of which one could not be read: nothing is known to contradict it', () => {
      const { 19: _unread, ...pcrs } = OLD
      expect(unsealed({ pcrs })).toEqual(ran)
    })

    test('as nothing that is known: the initramfs says what no TPM does, and the seal is held', () => {
      expect(unsealed({ pcrs: { ...OLD, 19: '19e0' } })).toEqual(held('contradiction', [19]))
      expect(unsealed({ pcrs: { ...NEW, 19: '19e0' } })).toEqual(held('contradiction', [18, 19]))
      expect(unsealed({ pcrs: { ...OLD, 19: '19e0' }, session: planned({ prediction: null }) })).toEqual(
        held('contradiction', [19]),
      )
    })

    test.each([
      ['registers that cannot be read', { pcrs: {} }],
      ['another selection', { selectedPcrs: [17, 18] }],
      ['another bank', { bank: 'sha1' }],
      ['no baseline', { session: planned({ baseline: null }) }],
    ])('%s: nothing contradicts it', (_, change) => {
      expect(unsealed({ pcrs: { ...OLD, 19: '19e0' }, ...change })).toEqual(ran)
    })
  })

  test.each(['mismatch', 'wrong-token', null] as const)('without a session it is held: %s', (unseal) => {
    expect(decideGate(facts({ unseal, session: null }))).toEqual(held('no-session'))
  })
})

describe('all registers as predicted', () => {
  test('the seal runs', () => {
    expect(decideGate(facts())).toEqual({ mayRun: true, rule: 'predicted' })
  })

  test('also where the journal says nothing', () => {
    expect(decideGate(facts({ unseal: null }))).toEqual({ mayRun: true, rule: 'predicted' })
  })

  test.each([13, 17, 18, 19])('one register that differs holds it: %i', (index) => {
    expect(decideGate(facts({ pcrs: { ...NEW, [index]: 'abcd' } }))).toEqual(held('other-state', [index]))
  })

  test('the old state is not the predicted one', () => {
    expect(decideGate(facts({ pcrs: OLD }))).toEqual(held('other-state', [18]))
  })

  test('a token that is not the current one holds it', () => {
    expect(decideGate(facts({ unseal: 'wrong-token' }))).toEqual(held('wrong-token'))
  })

  test.each([
    ['refused', { ...predictionOf({}), refusal: { code: 'x', why: 'y' } }, []],
    ['not calibrated', { ...predictionOf({ 17: '17a0', 18: '18b0', 19: '19a0' }), calibrated: false }, []],
    ['none', null, []],
    ['of another form', { calibrated: true, refusal: null, pcrs: [{ index: 18 }] }, []],
    ['partial', predictionOf({ 17: '17a0', 18: '18b0', 19: null }), [19]],
    ['silent on a register that may change', predictionOf({ 17: '17a0', 18: '18b0' }), [19]],
    [
      'not vouched for',
      {
        ...predictionOf({}),
        pcrs: predictionOf({ 17: '17a0', 18: '18b0', 19: '19a0' }).pcrs.map((pcr) => ({
          ...pcr,
          vouched: pcr.index !== 18,
        })),
      },
      [18],
    ],
    ['of another bank', predictionOf({ 17: '17a0', 18: '18b0', 19: '19a0' }, 'sha1'), [18, 19]],
    [
      'ambiguous',
      {
        ...predictionOf({}),
        pcrs: [17, 18, 19, 18].map((index) => ({ index, bank: 'sha256', predicted: NEW[18], vouched: true })),
      },
      [18],
    ],
  ])('a prediction that is %s holds it', (_, prediction, pcrs) => {
    const decision = decideGate(facts({ session: planned({ prediction: prediction as never }) }))
    expect(decision).toEqual(held('not-predicted', pcrs))
  })

  test('a null prediction of a register that did not change is not a value', () => {
    const prediction = predictionOf({ 17: '17a0', 18: '18b0', 19: '19a0', 13: null })
    expect(decideGate(facts({ session: planned({ prediction }) }))).toEqual(held('not-predicted', [13]))
  })

  test('without the confirmed update nothing says that register 13 stays', () => {
    expect(decideGate(facts({ session: planned({ expectation: null }) }))).toEqual(
      held('not-predicted', [13]),
    )
  })

  test.each([{ protection: null }, { restart: null }])(
    'a restart that was not planned holds it: %o',
    (change) => {
      expect(decideGate(facts({ session: planned(change) }))).toEqual(held('not-planned'))
    },
  )
})

describe('accepted in this boot', () => {
  const accepted = (bootId: string | null, pcrs: Record<number, string> = NEW) =>
    planned({ prediction: null, approved: { at: '2024-07-16T19:00:00Z', bootId, pcrs } })

  test('the seal runs', () => {
    expect(decideGate(facts({ session: accepted(THIS_BOOT) }))).toEqual({ mayRun: true, rule: 'approved' })
  })

  test.each([13, 17, 18, 19])('a register that moved since holds it: %i', (index) => {
    const decision = decideGate(facts({ session: accepted(THIS_BOOT), pcrs: { ...NEW, [index]: 'abcd' } }))
    expect(decision).toEqual(held('other-state', [index]))
  })

  test('a selected register that was not recorded holds it', () => {
    const { 17: _, ...rest } = NEW
    expect(decideGate(facts({ session: accepted(THIS_BOOT, rest) }))).toEqual(held('other-state', [17]))
  })

  test('what was accepted in another boot does not count', () => {
    expect(decideGate(facts({ session: accepted('boot-1') }))).toEqual(held('not-predicted'))
  })

  test('an unknown boot is not this one', () => {
    expect(decideGate(facts({ session: accepted(null), bootId: null }))).toEqual(held('not-predicted'))
  })
})

describe('what is not known counts against it', () => {
  test.each([
    ['selection', { selectedPcrs: null }, held('selection-unreadable')],
    ['empty selection', { selectedPcrs: [] }, held('selection-unreadable')],
    ['bank', { bank: null }, held('registers-unreadable')],
    ['one register', { pcrs: { 13: '13a0', 17: '17a0', 19: '19a0' } }, held('registers-unreadable', [18])],
    ['smaller selection', { selectedPcrs: [17, 18] }, held('selection-changed')],
    [
      'larger selection',
      { selectedPcrs: [0, 13, 17, 18, 19], pcrs: { ...NEW, 0: '00a0' } },
      held('selection-changed'),
    ],
    ['other bank', { bank: 'sha1' }, held('selection-changed')],
    ['no baseline', { session: planned({ baseline: null }) }, held('no-baseline')],
  ] as const)('%s', (_, change, expected) => {
    expect(decideGate(facts(change))).toEqual(expected)
  })
})
