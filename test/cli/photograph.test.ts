import { expect, it } from 'vitest'
import type { Session } from '../../src/core/session/checkpoint.ts'
import { photographScreen } from '../../src/messages/photograph.ts'

const NOW = 'aa'.repeat(32)
const OTHER = 'bb'.repeat(32)

/** A session with PCR 18 selected, and what is predicted of it. */
function sessionWith(predicted: string | null, mayChange: readonly number[]): Session {
  const pcr = { index: 18, bank: 'sha256', predicted, vouched: predicted !== null }
  return {
    protection: 'plain',
    baseline: { bank: 'sha256', selectedPcrs: [18], pcrs: { sha256: { 18: NOW } } },
    expectation: { mayChange },
    prediction: { calibrated: true, refusal: null, pcrs: [pcr] },
  } as unknown as Session
}

it.each([
  ['a register that is predicted to change', OTHER, [18], 'will NOT appear this once: PCR 18 will differ.'],
  ['no register that changes', NOW, [18], 'No register is to change: your own sentence MUST appear.'],
  ['one that is not predicted', null, [18], 'may NOT appear this once: PCR 18 may differ.'],
  ['nothing that is known', null, [], 'may NOT appear this once: what will differ is not known.'],
] as const)(
  'the photograph promises no more than is known, with %s',
  (_what, predicted, mayChange, words) => {
    const screen = photographScreen(sessionWith(predicted, mayChange), {
      device: 'aem',
      now: new Date(0),
      isDetailed: false,
    })
    expect(screen.body.map(({ text }) => text).join('\n')).toContain(words)
  },
)
