import { describe, expect, it } from 'vitest'
import { checkApproved, checkProven } from '../../src/core/decide/forward-device.ts'
import { decideGate } from '../../src/core/decide/gate.ts'
import { adviceFor } from '../../src/core/launch/explain-advice.ts'
import { makeReportPage } from '../../src/core/report/make-page.ts'
import type { Session } from '../../src/core/session/checkpoint.ts'
import { approveState, emptyDeviceLedger } from '../../src/core/session/device-ledger.ts'
import type { Steps } from '../../src/flow/step.ts'
import { STEPS } from '../../src/flow/steps.ts'
import { describeAcceptance } from '../../src/messages/after-restart.ts'
import { describeExplanation } from '../../src/messages/explain.ts'
import { aSession, machineOf, outcomesOf, rehearse } from '../support/built-in.ts'

/** The built-in machine has tboot; what its own step found is told as a TrenchBoot boot would be. */
const NOT_PROVEN: Steps = {
  ...STEPS,
  explain: async (context) => {
    const report = await STEPS.explain(context)
    const facts = {
      ...report.facts,
      verdict: 'not-computable' as const,
      reasons: [{ code: 'xen-not-computable', pcr: 17, what: 'Xen changed', next: 'look', isBlocking: true }],
      advice: adviceFor('not-computable', null),
    }
    return { ...report, outcome: 'not-computable', facts, message: describeExplanation(facts as never) }
  },
}

const story = (answers: Record<string, string>, steps = NOT_PROVEN) =>
  rehearse({ machine: machineOf('clean-update'), steps, answers, options: { protect: 'plain' } })

describe('a change that cannot be computed', () => {
  it('is accepted by nobody with --yes, and the run ends with attention', async () => {
    const { result, ui } = await story({ '*': 'yes' })
    expect(ui.asked).toContain('accept-change')
    expect(outcomesOf(result).at(-1)).toBe('accept-change: declined')
    expect(result.exit).toBe(1)
    expect(ui.said.join('\n')).toContain('NOT PROVEN')
  })

  it('is asked of a person, and kept as accepted, not proven', async () => {
    const kept: Session[] = []
    const steps: Steps = {
      ...NOT_PROVEN,
      'gate-reseal': (context) => STEPS['gate-reseal'](context).finally(() => kept.push(context.session)),
      verify: (context) => STEPS.verify(context).finally(() => kept.push(context.session)),
    }
    const { result, ui } = await story({ 'accept-change': 'yes', '*': 'yes' }, steps)
    expect(outcomesOf(result)).toContain('explain: not-computable')
    expect(kept[0]?.approved).toMatchObject({ proof: 'not-proven' })
    expect(ui.said.join('\n')).toContain('accepted, not proven')
    const page = makeReportPage({
      session: kept[0]!,
      closedAt: '2024-07-17T09:00:00Z',
      values: {},
      chain: null,
    })
    expect(page.verdict).toMatchObject({ mark: 'attention', headline: 'Accepted, not proven' })
  })

  it('says so in words, and of a proven one nothing', () => {
    expect(describeAcceptance('accepted', false, true).what).toContain('accepted, not proven')
    expect(describeAcceptance('declined', false, true).what).not.toContain('accepted, not proven')
    expect(describeAcceptance('accepted', false).what).not.toContain('not proven')
  })
})

const PCRS = { 17: 'aa', 18: 'bb' }
const STATE = {
  at: '2024-07-17T09:00:00.000Z',
  bootId: 'boot-1',
  label: 'aem',
  bank: 'sha256' as const,
  registers: { '17': 'aa', '18': 'bb' },
  shared: [17, 18],
  packages: ['xen-hypervisor 2001:4.17.4-4.fc37'],
  proof: 'not-proven' as const,
}
const LOOK = { state: 'read' as const, ledger: { ...emptyDeviceLedger(STATE.at), approved: STATE } }
const BOOT = { label: 'aem', selected: [17, 18], shared: [17, 18], registers: PCRS }

describe('a state that was accepted, not proven', () => {
  it('is no ground for a forward seal, of this device or another', () => {
    expect(checkApproved(LOOK, BOOT, PCRS)).toMatchObject({
      ok: false,
      detail: expect.stringContaining('not proven'),
    })
    expect(checkProven(LOOK, BOOT)).toMatchObject({ ok: false })
    expect(checkProven(LOOK, { ...BOOT, registers: {} })).toMatchObject({ ok: false })
  })

  it('ends with the next proven state', () => {
    expect(checkProven(LOOK, { ...BOOT, registers: { 17: 'cc', 18: 'bb' } })).toBeNull()
    const { proof: _, ...proven } = { ...STATE, registers: { '17': 'cc', '18': 'bb' }, packages: ['newer'] }
    const { approved } = approveState(LOOK.ledger, proven)
    expect(approved?.proof).toBeUndefined()
  })

  it('stays so when the same state is approved again', () => {
    const { proof: _, ...again } = { ...STATE, at: '2024-07-18T09:00:00.000Z' }
    expect(approveState(LOOK.ledger, again).approved?.proof).toBe('not-proven')
  })

  it('holds the gate until a person accepted it in this boot', () => {
    const facts = {
      bootId: 'boot-2',
      unseal: 'mismatch' as const,
      selectedPcrs: [17, 18],
      bank: 'sha256',
      pcrs: { 17: 'aa'.repeat(32), 18: 'bb'.repeat(32) },
    }
    const hex = { '17': 'aa'.repeat(32), '18': 'bb'.repeat(32) }
    const baseline = {
      bank: 'sha256',
      selectedPcrs: [17, 18],
      pcrs: { sha256: { '17': '11'.repeat(32), '18': '22'.repeat(32) } },
    }
    const session = aSession({ baseline: baseline as never })
    expect(decideGate({ ...facts, session })).toMatchObject({ mayRun: false })
    const approved = { at: STATE.at, bootId: 'boot-2', pcrs: hex, proof: 'not-proven' as const }
    expect(decideGate({ ...facts, session: { ...session, approved } })).toMatchObject({
      mayRun: true,
      rule: 'approved',
    })
  })
})
