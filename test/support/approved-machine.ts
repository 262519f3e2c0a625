import { expect } from 'vitest'
import { postUpdate } from '../../flows/post-update.ts'
import { resume } from '../../flows/resume.ts'
import { makeDirectoryStore } from '../../src/act/session-store.ts'
import { startSession } from '../../src/core/session/checkpoint.ts'
import { runFlow } from '../../src/flow/runner.ts'
import type { RunOptions } from '../../src/flow/step.ts'
import { STEPS } from '../../src/flow/steps.ts'
import { buildMachine, INTERNAL, installXen, NEW_XEN } from '../../src/host/simulated/build.ts'
import { makeSimulatedHost } from '../../src/host/simulated/host.ts'
import { bootFilesOf, KERNEL_RELEASE, type SimMachine } from '../../src/host/simulated/model.ts'
import { restartMachine } from '../../src/host/simulated/power.ts'
import { observeMachine } from '../../src/observe/dom0/machine.ts'
import { AEM_CONFIGURATION, DEFAULT_STATE_DIR } from '../../src/tables/paths.ts'
import { outcomesOf, RUN_OPTIONS, SESSION_ID } from './built-in.ts'
import { makeScriptedUi } from './scripted-ui.ts'

/* A built-in machine whose state was approved by the program itself, and what happens to it afterwards. */

const HOUR_MS = 3600 * 1000
export const INITRAMFS = `initramfs-${KERNEL_RELEASE}.img`
export const LEDGER = `${DEFAULT_STATE_DIR}/devices.json`
export const NEXT_XEN = `${NEW_XEN.slice(0, -1)}5`

/** A machine of which two boots were seen; the second showed the secret. */
export function goodMachine(prepare: (machine: SimMachine) => void = () => {}): SimMachine {
  const machine = buildMachine([INTERNAL], INTERNAL)
  prepare(machine)
  restartMachine(machine)
  restartMachine(machine)
  expect(isSecretShown(machine)).toBe(true)
  return machine
}

export function isSecretShown(machine: SimMachine): boolean {
  return machine.journal.some((text) => text.includes('Freshness token valid'))
}

/** An honest update, as qubes-dom0-update installs it. */
export function update(machine: SimMachine, release: string): void {
  machine.nowMs += HOUR_MS
  installXen(machine, release, machine.nowMs)
  machine.nowMs += HOUR_MS
}

/** SEAL in AEM's own configuration. */
export function setSeal(machine: SimMachine, pcrs: readonly number[]): void {
  const bytes = Buffer.from(`SEAL="${pcrs.map((index) => `--pcr ${index}`).join(' ')}"\n`)
  machine.dom0.set(AEM_CONFIGURATION, { bytes, mtimeMs: machine.nowMs })
}

export function put(machine: SimMachine, name: string, change: (old: Uint8Array) => Uint8Array): void {
  const boot = bootFilesOf(machine)
  const old = boot.get(name)
  if (!old) throw new Error(`the boot device has no ${name}`)
  boot.set(name, { bytes: change(old.bytes), mtimeMs: old.mtimeMs })
}

export type Ran = {
  readonly exit: number
  readonly outcomes: readonly string[]
  readonly asked: readonly string[]
  readonly said: string
  /** Of check-ground. */
  readonly facts: Record<string, unknown>
}

export async function runOn(
  machine: SimMachine,
  flow: typeof postUpdate | typeof resume,
  answers: Readonly<Record<string, string>>,
  options: Partial<RunOptions> = {},
): Promise<Ran> {
  const host = makeSimulatedHost(machine)
  const ui = makeScriptedUi({ '*': 'yes', ...answers })
  const store = makeDirectoryStore(host, DEFAULT_STATE_DIR)
  const { bootId } = await observeMachine(host)
  const open = await store.load()
  const session = open ?? startSession({ id: SESSION_ID, now: host.now(), bootId, flow: flow.id })
  const result = await runFlow(flow, flow.start, STEPS, {
    host,
    ui,
    store,
    options: { ...RUN_OPTIONS, ...options },
    session,
    simulateRestart: null,
  })
  const ground = result.steps.find(({ id }) => id === 'check-ground')
  return {
    exit: result.exit,
    outcomes: outcomesOf(result),
    asked: ui.asked,
    said: ui.said.join(' ').replaceAll(/\s+/g, ' '),
    facts: (ground?.facts ?? {}) as Record<string, unknown>,
  }
}

/** `start`, answered as --yes does; `answers` are a person's. */
export const start = (machine: SimMachine, answers: Readonly<Record<string, string>> = {}) =>
  runOn(machine, postUpdate, answers)
export const finish = (machine: SimMachine) => runOn(machine, resume, {})

export async function loadLedger(machine: SimMachine) {
  const look = await makeDirectoryStore(makeSimulatedHost(machine), DEFAULT_STATE_DIR).loadDevices()
  if (look.state !== 'read') throw new Error(`the device ledger is ${look.state}`)
  return look.ledger
}

/** One update, made with the program from start to end: its state is the approved one. */
export async function approvedMachine(
  prepare: (machine: SimMachine) => void = () => {},
): Promise<SimMachine> {
  const machine = goodMachine(prepare)
  update(machine, NEW_XEN)
  expect((await start(machine)).exit).toBe(3)
  restartMachine(machine)
  expect(isSecretShown(machine)).toBe(true)
  expect((await finish(machine)).exit).toBe(0)
  return machine
}
