import { expect } from 'vitest'
import { forwardDevice } from '../../flows/devices.ts'
import { postUpdate } from '../../flows/post-update.ts'
import { resume } from '../../flows/resume.ts'
import { makeDirectoryStore } from '../../src/act/session-store.ts'
import { startSession } from '../../src/core/session/checkpoint.ts'
import { runFlow } from '../../src/flow/runner.ts'
import { STEPS } from '../../src/flow/steps.ts'
import type { Flow } from '../../src/flow/types.ts'
import { INTERNAL } from '../../src/host/simulated/build.ts'
import { makeSimulatedHost } from '../../src/host/simulated/host.ts'
import { findDevice, type SimMachine, sha256 } from '../../src/host/simulated/model.ts'
import { observeMachine } from '../../src/observe/dom0/machine.ts'
import { DEFAULT_STATE_DIR } from '../../src/tables/paths.ts'
import { outcomesOf, RUN_OPTIONS, SESSION_ID } from './built-in.ts'
import { makeScriptedUi } from './scripted-ui.ts'
import { verifyNow } from './verify-now.ts'

/*
 * Somebody had the boot device in hand. What a run of the program then does on the built-in machine, with a person in
 * front of it who says yes to every question that is asked.
 */

/** Yes to all, also to what --yes never answers; a fresh initramfs is not taken in place of the one that lies there. */
export const CREDULOUS = {
  'accept-command-line': 'yes',
  'accept-modules': 'yes',
  'ground-secret': 'yes',
  'ground-go-on': 'yes',
  'refresh-device': 'yes',
  '*': 'yes',
} as const

export type Run = {
  readonly exit: number
  readonly outcomes: readonly string[]
  /** All that was said and asked, in one line. */
  readonly said: string
  readonly asked: readonly string[]
}

async function run(
  machine: SimMachine,
  flow: Flow,
  answers: Readonly<Record<string, string>>,
  options: { device?: string; from?: 'session'; yes?: boolean } = {},
): Promise<Run> {
  const host = makeSimulatedHost(machine)
  const ui = makeScriptedUi(answers)
  const store = makeDirectoryStore(host, DEFAULT_STATE_DIR)
  const { bootId } = await observeMachine(host)
  const kept = options.from === 'session' ? await store.load() : null
  const session = kept
    ? { ...kept, flow: flow.id, step: flow.start }
    : startSession({
        id: SESSION_ID,
        now: host.now(),
        bootId,
        flow: flow.id,
        ...(options.device === undefined ? {} : { device: options.device }),
      })
  const context = {
    host,
    ui,
    store,
    options: { ...RUN_OPTIONS, yes: options.yes === true, canAsk: options.yes !== true },
    session,
    simulateRestart: null,
  }
  const result = await runFlow(flow, flow.start, STEPS, context)
  const said = [...ui.said, ...ui.questions].join(' ').replaceAll(/ +/g, ' ')
  return { exit: result.exit, outcomes: outcomesOf(result), said, asked: ui.asked }
}

/** `start`. */
export function startRun(
  machine: SimMachine,
  answers: Readonly<Record<string, string>> = CREDULOUS,
): Promise<Run> {
  return run(machine, postUpdate, answers)
}

/** `start --yes`. */
export function startWithYes(machine: SimMachine): Promise<Run> {
  return run(machine, postUpdate, { '*': 'yes' }, { yes: true })
}

/** `resume` after a restart. */
export function resumeRun(
  machine: SimMachine,
  answers: Readonly<Record<string, string>> = { '*': 'yes' },
): Promise<Run> {
  return run(machine, resume, answers, { from: 'session' })
}

/** `devices forward-seal aem.stick`. */
export function forwardStick(machine: SimMachine): Promise<Run> {
  return run(machine, forwardDevice, CREDULOUS, { device: 'aem.stick' })
}

/** What `verify` remembers of this boot, approved. */
export async function approveBoot(machine: SimMachine): Promise<void> {
  await verifyNow(machine, { approve: true })
}

/** Digests of all that is sealed, on every device and in dom0. */
export function sealedFiles(machine: SimMachine): Readonly<Record<string, string>> {
  const isSealed = (path: string): boolean => /^\/(aem\/tpms|var\/lib\/(tpms|anti-evil-maid))\//.test(path)
  const all = [
    ...[...machine.dom0].map(([path, file]) => [path, file] as const),
    ...machine.devices.flatMap((device) =>
      [...device.files].map(([path, file]) => [`${device.uuid} ${path}`, file] as const),
    ),
  ]
  return Object.fromEntries(
    all
      .filter(([path]) => isSealed(path.replace(/^\S+ /, '')))
      .map(([path, { bytes }]) => [path, sha256(bytes)]),
  )
}

/** Changes a file of a device, and leaves its time as it was. */
export function edit(
  machine: SimMachine,
  uuid: string,
  path: string,
  change: (text: string) => string,
): void {
  const { files } = findDevice(machine, uuid) ?? {}
  const file = files?.get(path)
  if (!files || !file) throw new Error(`no ${path} on the device ${uuid}`)
  const before = Buffer.from(file.bytes).toString('utf8')
  const after = change(before)
  if (after === before) throw new Error(`the attack on ${path} changes nothing`)
  files.set(path, { bytes: Buffer.from(after, 'utf8'), mtimeMs: file.mtimeMs })
}

export const GRUB_CFG = '/grub2/grub.cfg'

/** Changes every line of grub.cfg's AEM entries that loads a file of this name. */
export function editLines(
  machine: SimMachine,
  uuid: string,
  file: RegExp,
  change: (line: string) => string,
): void {
  edit(machine, uuid, GRUB_CFG, (text) =>
    text
      .split('\n')
      .map((line) => {
        const [, path = ''] = /^\s*(?:multiboot|module)\s+(\S+)/.exec(line) ?? []
        return file.test(path) ? change(line) : line
      })
      .join('\n'),
  )
}

const AEM_ENTRIES = /^([ \t]*)menuentry 'AEM [\s\S]*?\n\1\}\n/gm

/** Changes every AEM entry of the device that dom0 has at /boot. */
export function editEntries(machine: SimMachine, change: (entry: string) => string): void {
  edit(machine, INTERNAL.uuid, GRUB_CFG, (text) => text.replace(AEM_ENTRIES, (entry) => change(entry)))
}

/** Puts a changed copy of the first AEM entry in front of it; the honest one stays behind it as a decoy. */
export function putEntryInFront(machine: SimMachine, change: (entry: string) => string): void {
  edit(machine, INTERNAL.uuid, GRUB_CFG, (text) => {
    const [entry = ''] = text.match(AEM_ENTRIES) ?? []
    const changed = change(entry)
    expect(changed, 'the attack changes the entry').not.toBe(entry)
    return text.replace(entry, () => `${changed}${entry}`)
  })
}

/** Puts a file on the device that dom0 has at /boot. */
export function putOnBoot(machine: SimMachine, path: string, bytes: Uint8Array): void {
  findDevice(machine, INTERNAL.uuid)?.files.set(path, { bytes, mtimeMs: machine.nowMs })
}

/** No forward seal, not for somebody who says yes to all nor by --yes; and what was changed is named. */
export async function expectCaught(machine: SimMachine, named: RegExp): Promise<void> {
  const before = sealedFiles(machine)
  for (const start of [startRun, startWithYes]) expectRefused(machine, await start(machine), before, named)
}

export function expectRefused(
  machine: SimMachine,
  run: Run,
  before: Readonly<Record<string, string>>,
  named: RegExp,
): void {
  expect(run.outcomes.filter((text) => text.startsWith('forward-seal:'))).toEqual([])
  expect(sealedFiles(machine)).toEqual(before)
  expect(run.said).toMatch(named)
  expect(run.exit).toBe(1)
}
