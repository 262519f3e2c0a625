import { expect, it } from 'vitest'
import type { Session } from '../../src/core/session/checkpoint.ts'
import { makeSimulatedHost } from '../../src/host/simulated/host.ts'
import { SELECTED_PCRS } from '../../src/host/simulated/model.ts'
import { observeDom0 } from '../../src/observe/dom0/dom0.ts'
import { observeBaseline } from '../../src/observe/launch/baseline.ts'
import { explainIncomparable } from '../../src/observe/launch/not-explained.ts'
import { aSession, machineOf } from '../support/built-in.ts'

/* The registers of a boot of which the recorded ones say nothing. */

const OTHER = 'ab'.repeat(32)

it('are the same, or not computable: one that is not known is not the same', async () => {
  const dom0 = observeDom0(makeSimulatedHost(machineOf('clean-update')))
  const taken = (await observeBaseline(dom0, SELECTED_PCRS))!
  const now = taken.pcrs.sha256!
  const baseline = {
    ...taken,
    // 13 was another one, 19 was not recorded, 25 is no register of this TPM, then or now.
    selectedPcrs: [...SELECTED_PCRS, 25],
    pcrs: { sha256: { 13: OTHER, 17: now[17]!, 18: now[18]! } },
  }
  const session: Session = aSession({ baseline })
  const found = await explainIncomparable(dom0, session, baseline, null, 'other-device')
  expect(found.verdict).toBe('no-baseline')
  expect(found.pcrs.map(({ index, before, now: value, change }) => [index, before, value, change])).toEqual([
    [13, OTHER, now[13], 'not-computable'],
    [17, now[17], now[17], 'none'],
    [18, now[18], now[18], 'none'],
    [19, null, now[19], 'not-computable'],
    [25, null, null, 'not-computable'],
  ])
})
