import { rehearsal } from '../../flows/rehearsal.ts'
import { makeMemoryStore } from '../../src/act/memory-store.ts'
import { type Session, startSession } from '../../src/core/session/checkpoint.ts'
import { type FlowResult, runFlow } from '../../src/flow/runner.ts'
import type { RunOptions, Steps } from '../../src/flow/step.ts'
import { STEPS } from '../../src/flow/steps.ts'
import type { Host } from '../../src/host/host.ts'
import { makeSimulatedHost } from '../../src/host/simulated/host.ts'
import type { SimMachine } from '../../src/host/simulated/model.ts'
import { restartMachine } from '../../src/host/simulated/power.ts'
import { SCENARIOS } from '../../src/host/simulated/scenarios.ts'
import { observeMachine } from '../../src/observe/dom0/machine.ts'
import { makeScriptedUi, type ScriptedUi } from './scripted-ui.ts'

/** A user at a terminal who named nothing on the command line. */
export const RUN_OPTIONS: RunOptions = {
  bulletin: null,
  protect: null,
  restart: null,
  canAsk: true,
  yes: false,
  dryRun: false,
}

export const SESSION_ID = '3f0d4a52-6f4b-4f8a-9d0e-0c1a2b3c4d5e'

/** The machine of a scenario: an update is installed, and it runs what it booted before. */
export function machineOf(name: string): SimMachine {
  const scenario = SCENARIOS.find((item) => item.name === name)
  if (!scenario) throw new Error(`no scenario ${name}`)
  return scenario.make()
}

export type Rehearsal = {
  readonly machine: SimMachine
  readonly host: Host
  readonly ui: ScriptedUi
  readonly result: FlowResult
}

export type Story = {
  readonly machine: SimMachine
  /** While the machine is off for the first time. */
  readonly whileOff?: (machine: SimMachine) => void
  /** While the machine is off, each time. */
  readonly beforeBoot?: (machine: SimMachine) => void
  /** After each boot, before anybody logs in. */
  readonly afterBoot?: (machine: SimMachine) => void
  readonly answers?: Readonly<Record<string, string>>
  readonly steps?: Steps
  readonly options?: Partial<RunOptions>
  readonly watch?: (host: Host) => Host
}

/** The rehearsal flow on the built-in machine, with the story's own attacks instead of a scenario's. */
export async function rehearse(story: Story): Promise<Rehearsal> {
  const { machine } = story
  const own = makeSimulatedHost(machine)
  const host = story.watch ? story.watch(own) : own
  const ui = makeScriptedUi(story.answers ?? { '*': 'yes' })
  let boots = 0
  const { bootId } = await observeMachine(host)
  const result = await runFlow(rehearsal, rehearsal.start, story.steps ?? STEPS, {
    host,
    ui,
    store: makeMemoryStore(ui),
    options: { ...RUN_OPTIONS, ...story.options },
    session: startSession({ id: SESSION_ID, now: host.now(), bootId, flow: 'rehearsal' }),
    async simulateRestart() {
      if (boots === 0) story.whileOff?.(machine)
      boots += 1
      story.beforeBoot?.(machine)
      restartMachine(machine)
      story.afterBoot?.(machine)
    },
  })
  return { machine, host, ui, result }
}

/** Steps and outcomes of a run, e.g. `explain: unexplained`. */
export function outcomesOf(result: FlowResult): readonly string[] {
  return result.steps.map(({ id, outcome }) => `${id}: ${outcome}`)
}

/** A fresh session as the program would begin it. */
export function aSession(changes: Partial<Session> = {}): Session {
  const now = new Date('2024-07-17T09:00:00Z')
  return { ...startSession({ id: SESSION_ID, now, bootId: 'boot-1', flow: 'post-update' }), ...changes }
}
