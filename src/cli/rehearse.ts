import { rehearsal } from '../../flows/rehearsal.ts'
import { makeMemoryStore } from '../act/memory-store.ts'
import { makeDirectoryStore, type SessionStore } from '../act/session-store.ts'
import { nearestWords } from '../core/nearest-words.ts'
import { startSession } from '../core/session/checkpoint.ts'
import { makeHeldNote } from '../core/session/held-note.ts'
import { runFlow } from '../flow/runner.ts'
import type { RunOptions } from '../flow/step.ts'
import { STEPS } from '../flow/steps.ts'
import { makeDryRunHost } from '../host/dry-run.ts'
import type { Host } from '../host/host.ts'
import { makeSimulatedHost } from '../host/simulated/host.ts'
import { bootMachine, isSealAsked, startSeal } from '../host/simulated/power.ts'
import { SCENARIOS, type Scenario } from '../host/simulated/scenarios.ts'
import { explainGate } from '../messages/hold.ts'
import { rehearsalEndLines } from '../messages/rehearsal.ts'
import { type Dom0, observeDom0 } from '../observe/dom0/dom0.ts'
import { observeStatus } from '../observe/dom0/status.ts'
import { observeGate } from '../observe/seal/gate.ts'
import { makeFailure } from '../tables/failures.ts'
import { line, type Ui } from '../ui/ui.ts'
import { assertAnswerable, makeUi, printJson, stateDirOf, tellPrograms } from './context.ts'
import type { GlobalOptions, Io } from './io.ts'

const DEFAULT_SCENARIO = 'clean-update'
/** Room for the longest name and two blanks. */
const NAME_COLUMNS = 16

export function listScenarios(io: Io, options: GlobalOptions): number {
  const rows = SCENARIOS.map(({ name, tells }) => ({ name, tells }))
  if (options.json) printJson(io, 'scenarios', rows)
  else
    makeUi(io, options).say(
      rows.map(({ name, tells }) => ({ text: `${name.padEnd(NAME_COLUMNS)}${tells}`, hang: NAME_COLUMNS })),
    )
  return 0
}

/** @throws Failure (exit 2) for a name that is none */
export function findScenario(name: string): Scenario {
  const found = SCENARIOS.find((scenario) => scenario.name === name)
  if (found) return found
  const names = SCENARIOS.map((scenario) => scenario.name)
  const meant = nearestWords(name, names).map((one) => `\`aem-reseal rehearse --scenario ${one}\``)
  throw makeFailure('unknown-scenario', {
    name,
    names: names.join(', '),
    ...(meant.length > 0 ? { meant: meant.join(' or ') } : {}),
  })
}

/** `aem-reseal rehearse` on the built-in machine: the same flow and steps as in dom0, on a model of one. */
export async function rehearseBuiltIn(io: Io, options: GlobalOptions, name: string | null): Promise<number> {
  const scenario = findScenario(name ?? DEFAULT_SCENARIO)
  assertAnswerable(io, options, '')
  const ui = makeUi(io, options)
  const machine = scenario.make()
  let boots = 0
  const store = makeMemoryStore(ui)
  const askGate = (): Promise<boolean> => answerGate(observeDom0(host), store)
  const simulated = makeSimulatedHost(machine, askGate)
  const host = options.verbose ? tellPrograms(simulated, io) : simulated
  ui.say([
    line(`Rehearsal on ${host.description}.`, 'bold'),
    line(`Scenario ${scenario.name}: ${scenario.tells}.`, 'bold'),
    line('Nothing on this computer is looked at or changed.', 'dim'),
  ])
  const simulateRestart = async (): Promise<void> => {
    if (boots === 0) scenario.whileOff(machine)
    boots += 1
    bootMachine(machine)
    startSeal(machine, !isSealAsked(machine) || (await askGate()))
  }
  return runRehearsal(io, options, ui, host, store, simulateRestart, false, scenario)
}

/** `aem-reseal rehearse` in a dom0 with AEM: reads are real, each write is shown and not done. */
export async function rehearseHere(io: Io, options: GlobalOptions, host: Host): Promise<number> {
  assertAnswerable(io, options, '')
  const ui = makeUi(io, options)
  ui.say([
    line(
      `Rehearsal on ${host.description}: what is read is real, what would be written is shown and not done.`,
      'bold',
    ),
  ])
  const own = makeDirectoryStore(host, stateDirOf(options))
  const dry = makeDryRunHost(host, (text) => ui.say([line(`  would ${text}`, 'dim')]))
  return runRehearsal(
    io,
    options,
    ui,
    dry.host,
    makeMemoryStore(ui, await own.loadVersions(), await own.loadDevices()),
    async () => dry.restart(io.makeId()),
    true,
    null,
  )
}

/** Does this dom0 have AEM, so that a rehearsal means something here? */
export async function hasAem(host: Host): Promise<boolean> {
  const dom0 = observeDom0(host)
  return (await observeStatus(dom0)).aem.installed === true
}

async function runRehearsal(
  io: Io,
  options: GlobalOptions,
  ui: Ui,
  host: Host,
  store: SessionStore,
  simulateRestart: () => Promise<void>,
  dryRun: boolean,
  played: Scenario | null,
): Promise<number> {
  const dom0 = observeDom0(host)
  const { bootId } = await dom0.machine()
  const session = startSession({ id: io.makeId(), now: host.now(), bootId, flow: 'rehearsal' })
  const run: RunOptions = {
    bulletin: null,
    protect: null,
    restart: null,
    canAsk: true,
    yes: options.yes,
    dryRun,
  }
  const result = await runFlow(rehearsal, rehearsal.start, STEPS, {
    host,
    ui,
    store,
    options: run,
    session,
    simulateRestart,
  })
  if (options.json) printJson(io, 'run', result)
  else {
    const others = SCENARIOS.filter((scenario) => scenario !== played).map(({ name }) => name)
    ui.say([line(''), ...rehearsalEndLines(others)])
  }
  return result.exit
}

/** The gate of the built-in machine: the same decision, with the rehearsal's session. */
async function answerGate(dom0: Dom0, store: SessionStore): Promise<boolean> {
  const { host } = dom0
  const { bootId, ...decision } = await observeGate(dom0, () => store.load())
  if (decision.mayRun) return true
  const { reason, pcrs } = decision
  const held = { at: host.now().toISOString(), bootId, reason, pcrs: [...pcrs], why: explainGate(decision) }
  await store.saveHeldNote(makeHeldNote(held))
  return false
}
