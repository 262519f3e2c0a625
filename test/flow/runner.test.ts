import { describe, expect, it } from 'vitest'
import type { SessionStore } from '../../src/act/session-store.ts'
import type { Session } from '../../src/core/session/checkpoint.ts'
import { runFlow } from '../../src/flow/runner.ts'
import type { AnyStepReport, StepContext, Steps } from '../../src/flow/step.ts'
import { ATTENTION, DONE, type Flow, UNEXPLAINED, WAITING } from '../../src/flow/types.ts'
import { ABSENT } from '../../src/host/host.ts'
import { aBaseline } from '../support/a-baseline.ts'
import { aSession, RUN_OPTIONS } from '../support/built-in.ts'
import { makeFakeHost } from '../support/fake-host.ts'
import { makeScriptedUi } from '../support/scripted-ui.ts'

/** A short flow with every kind of end; the real ones are walked in flows.test.ts. */
const flow = {
  id: 'post-update',
  title: 'a short flow',
  start: 'record-baseline',
  steps: {
    'record-baseline': {
      title: 'Look',
      observes: 'nothing',
      on: { recorded: 'plan-restart', incomplete: ATTENTION },
    },
    'plan-restart': {
      title: 'Ask',
      observes: 'nothing',
      asks: 'when?',
      on: { planned: 'restart', declined: UNEXPLAINED },
    },
    restart: {
      title: 'Change',
      observes: 'nothing',
      does: 'restarts',
      checkpoint: true,
      on: { requested: WAITING, 'by-hand': DONE, failed: ATTENTION },
    },
  },
} as const satisfies Flow

const BASELINE = aBaseline()

type Told = Partial<Record<keyof Steps, Partial<AnyStepReport>>>

/** Steps that answer what they were told, and fail where they were told nothing. */
function stepsTold(told: Told, log: string[]): Steps {
  const step =
    (id: keyof Steps) =>
    async ({ session }: StepContext) => {
      log.push(`run ${id} at ${session.step}`)
      if (!told[id]) throw new Error(`no answer for ${id}`)
      return { facts: { from: id }, message: { tone: 'info', what: `${id} ran`, next: 'go on' }, ...told[id] }
    }
  const ids = ['record-baseline', 'plan-restart', 'restart'] as const
  return Object.fromEntries(ids.map((id) => [id, step(id)])) as unknown as Steps
}

function makeLoggingStore(log: string[]): SessionStore & { kept: Session | null } {
  const store = {
    kept: null as Session | null,
    load: async () => store.kept,
    async save(session: Session) {
      log.push(`save ${session.step}`)
      store.kept = structuredClone(session)
    },
    close: async () => undefined,
    writeReport: async () => '',
    lock: async () => ({ release: async () => undefined }),
    loadHeldNote: async () => null,
    saveHeldNote: async () => undefined,
    removeHeldNote: async () => undefined,
    loadDevices: async () => ({ state: 'absent' as const }),
    updateDevices: async () => ({ state: 'absent' as const }),
    loadVersions: async () => ABSENT,
    saveVersions: async () => undefined,
  }
  return store
}

async function run(told: Told, session = aSession()) {
  const log: string[] = []
  const store = makeLoggingStore(log)
  const ui = makeScriptedUi({})
  const result = await runFlow(flow, 'record-baseline', stepsTold(told, log), {
    host: makeFakeHost({}),
    ui,
    store,
    options: RUN_OPTIONS,
    session,
    simulateRestart: null,
  })
  return { result, log, ui, kept: store.kept }
}

describe('runFlow', () => {
  it('goes where the outcomes lead and gives each end its exit code', async () => {
    const recorded = { outcome: 'recorded' }
    const planned = { outcome: 'planned' }
    const ends = [
      [{ 'record-baseline': { outcome: 'incomplete' } }, 1],
      [{ 'record-baseline': recorded, 'plan-restart': { outcome: 'declined' } }, 4],
      [{ 'record-baseline': recorded, 'plan-restart': planned, restart: { outcome: 'requested' } }, 3],
      [{ 'record-baseline': recorded, 'plan-restart': planned, restart: { outcome: 'by-hand' } }, 0],
      [{ 'record-baseline': recorded, 'plan-restart': planned, restart: { outcome: 'failed' } }, 1],
    ] as const
    for (const [told, exit] of ends) expect((await run(told)).result.exit).toBe(exit)
  })

  it('answers in the form of the contract: flow, outcome, steps with facts, exit', async () => {
    const { result } = await run({ 'record-baseline': { outcome: 'incomplete', facts: { bank: null } } })
    expect(result).toEqual({
      flow: 'post-update',
      outcome: 'incomplete',
      steps: [{ id: 'record-baseline', outcome: 'incomplete', facts: { bank: null } }],
      exit: 1,
    })
  })

  it('writes the session before a step that keeps state, even when nothing was recorded yet', async () => {
    const { log } = await run({
      'record-baseline': { outcome: 'recorded' },
      'plan-restart': { outcome: 'planned' },
      restart: { outcome: 'by-hand' },
    })
    expect(log).toEqual([
      'run record-baseline at record-baseline',
      'run plan-restart at plan-restart',
      'save restart',
      'run restart at restart',
    ])
  })

  it('writes the session before every step once there is a baseline, and at the end', async () => {
    const { log, kept } = await run({
      'record-baseline': { outcome: 'recorded', session: { baseline: structuredClone(BASELINE) as never } },
      'plan-restart': { outcome: 'declined' },
    })
    expect(log).toEqual([
      'run record-baseline at record-baseline',
      'save plan-restart',
      'run plan-restart at plan-restart',
      'save plan-restart',
    ])
    expect(kept?.history.map(({ step, outcome }) => `${step} ${outcome}`)).toEqual([
      'record-baseline recorded',
      'plan-restart declined',
    ])
  })

  it('hands what a step changed in the session to the next one, and keeps its facts', async () => {
    const { kept } = await run({
      'record-baseline': { outcome: 'recorded', session: { protection: 'plain' } },
      'plan-restart': { outcome: 'planned', session: { restart: '+5' } },
      restart: { outcome: 'by-hand' },
    })
    expect(kept).toMatchObject({
      protection: 'plain',
      restart: '+5',
      findings: { 'record-baseline': { from: 'record-baseline' }, 'plan-restart': { from: 'plan-restart' } },
    })
  })

  it('keeps what was written when a step fails', async () => {
    const log: string[] = []
    const store = makeLoggingStore(log)
    const told = {
      'record-baseline': { outcome: 'recorded', session: { baseline: structuredClone(BASELINE) as never } },
    }
    const failing = runFlow(flow, 'record-baseline', stepsTold(told, log), {
      host: makeFakeHost({}),
      ui: makeScriptedUi({}),
      store,
      options: RUN_OPTIONS,
      session: aSession(),
      simulateRestart: null,
    })
    await expect(failing).rejects.toThrow('no answer for plan-restart')
    expect(store.kept?.step).toBe('plan-restart')
  })

  it('says what each step found and what comes next', async () => {
    const { ui } = await run({ 'record-baseline': { outcome: 'incomplete' } })
    expect(ui.said.join('\n')).toMatch(/Look[\s\S]*record-baseline ran[\s\S]*next: go on/)
  })

  it('refuses an outcome that the flow does not know', async () => {
    await expect(run({ 'record-baseline': { outcome: 'odd' } })).rejects.toThrow(/unhandled/)
  })
})
