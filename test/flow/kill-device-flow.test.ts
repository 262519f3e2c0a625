import { describe, expect, it } from 'vitest'
import { refreshDevice } from '../../flows/devices.ts'
import { makeDirectoryStore } from '../../src/act/session-store.ts'
import { startSession } from '../../src/core/session/checkpoint.ts'
import { runFlow } from '../../src/flow/runner.ts'
import { STEPS } from '../../src/flow/steps.ts'
import { INTERNAL, STICK } from '../../src/host/simulated/build.ts'
import { makeSimulatedHost } from '../../src/host/simulated/host.ts'
import { findDevice, type SimMachine } from '../../src/host/simulated/model.ts'
import { restartMachine } from '../../src/host/simulated/power.ts'
import { observeMachine } from '../../src/observe/dom0/machine.ts'
import { DEFAULT_STATE_DIR } from '../../src/tables/paths.ts'
import { type } from '../support/at-terminal.ts'
import { machineOf, RUN_OPTIONS, SESSION_ID } from '../support/built-in.ts'
import { Killed, type KillPoint, type Trap, trapHost, typeMortal } from '../support/kill.ts'
import { makeScriptedUi } from '../support/scripted-ui.ts'
import { verifyNow } from '../support/verify-now.ts'

const FORWARD_SEAL = ['devices', 'forward-seal', 'aem.stick']

/** Approved on dom0's own disk; the stick carries the new boot files and is sealed for its old ones. */
async function makeReady(): Promise<SimMachine> {
  const machine = machineOf('two-devices')
  machine.bootDevice = INTERNAL.uuid
  restartMachine(machine)
  const host = makeSimulatedHost(machine)
  const store = makeDirectoryStore(host, DEFAULT_STATE_DIR)
  const { bootId } = await observeMachine(host)
  await verifyNow(machine, { approve: true })
  const session = startSession({
    id: SESSION_ID,
    now: host.now(),
    bootId,
    flow: 'refresh-device',
    device: 'aem.stick',
  })
  await runFlow(refreshDevice, refreshDevice.start, STEPS, {
    host,
    ui: makeScriptedUi({ 'refresh-device': 'yes' }),
    store,
    options: RUN_OPTIONS,
    session,
    simulateRestart: null,
  })
  return machine
}

async function forwardSeal(machine: SimMachine, at: number | null): Promise<readonly KillPoint[]> {
  const trap: Trap = { at, passed: [], isDead: false }
  const host = trapHost(makeSimulatedHost(machine), trap)
  const exit = await typeMortal(FORWARD_SEAL, host, trap)
    .then((run) => run.exit)
    .catch((error: unknown) => {
      if (!(error instanceof Killed)) throw error
      return 'killed'
    })
  expect(exit).toBe(at === null ? 0 : 'killed')
  return trap.passed
}

function sealedFiles(machine: SimMachine, place: 'dom0' | 'device'): Record<string, string> {
  const files = place === 'dom0' ? machine.dom0 : findDevice(machine, STICK.uuid)!.files
  return Object.fromEntries(
    [...files]
      .filter(([path]) => path.includes('tpms/') && path.includes('/aem.stick/'))
      .map(([path, { bytes }]) => [path.split('/').at(-1)!, Buffer.from(bytes).toString('hex')]),
  )
}

function leftovers(machine: SimMachine): readonly string[] {
  return [...machine.dom0.keys()].filter((path) => path.includes('aem-reseal_'))
}

const load = (machine: SimMachine) => makeDirectoryStore(makeSimulatedHost(machine), DEFAULT_STATE_DIR).load()

function bootStick(machine: SimMachine): boolean {
  machine.bootDevice = STICK.uuid
  restartMachine(machine)
  return machine.journal.some((text) => text.includes('Freshness token valid'))
}

/** Every change, before and after, and the looks at which a session was just saved. */
async function killPoints(): Promise<readonly KillPoint[]> {
  const points = (await forwardSeal(await makeReady(), null)).filter(({ isLook }) => !isLook)
  expect(points.map(({ what }) => what)).toContain('after run exchange-directories')
  expect(points.length).toBeGreaterThan(60)
  return points
}

describe('a forward seal of another device that was killed anywhere', () => {
  it('ends with `resume`, or run again, as the undisturbed one does', { timeout: 600_000 }, async () => {
    for (const { number, what } of await killPoints()) {
      const machine = await makeReady()
      await forwardSeal(machine, number)
      const host = makeSimulatedHost(machine)
      const isOpen = (await load(machine)) !== null
      const run = await type(isOpen ? ['resume'] : FORWARD_SEAL, host)
      const at = `${number}: ${what}`
      expect(run.exit, `${at}: ${run.said}`).toBe(0)
      expect(await load(machine), at).toBeNull()
      expect(leftovers(machine), at).toEqual([])
      expect(sealedFiles(machine, 'dom0'), at).toEqual(sealedFiles(machine, 'device'))
      expect(bootStick(machine), at).toBe(true)
    }
  })

  it('ends with `cancel`: both copies are the same, old or new', { timeout: 600_000 }, async () => {
    const before = sealedFiles(await makeReady(), 'device')
    for (const { number, what } of await killPoints()) {
      const machine = await makeReady()
      await forwardSeal(machine, number)
      const at = `${number}: ${what}`
      if ((await load(machine)) === null) continue
      const cancelled = await type(['cancel'], makeSimulatedHost(machine))
      expect(cancelled.exit, `${at}: ${cancelled.said}`).toBe(0)
      expect(await load(machine), at).toBeNull()
      expect(leftovers(machine), at).toEqual([])
      expect(sealedFiles(machine, 'dom0'), at).toEqual(sealedFiles(machine, 'device'))
      const isOld = JSON.stringify(sealedFiles(machine, 'device')) === JSON.stringify(before)
      expect(bootStick(machine), at).toBe(!isOld)
    }
  })
})
