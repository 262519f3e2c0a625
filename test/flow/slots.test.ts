import { beforeEach, describe, expect, it } from 'vitest'
import { repairSlots } from '../../flows/devices.ts'
import { makeDirectoryStore } from '../../src/act/session-store.ts'
import { startSession } from '../../src/core/session/checkpoint.ts'
import { runFlow } from '../../src/flow/runner.ts'
import { STEPS } from '../../src/flow/steps.ts'
import { type Host, unknown } from '../../src/host/host.ts'
import { INTERNAL, STICK } from '../../src/host/simulated/build.ts'
import { makeSimulatedHost } from '../../src/host/simulated/host.ts'
import type { SimMachine } from '../../src/host/simulated/model.ts'
import { restartMachine } from '../../src/host/simulated/power.ts'
import { DEFAULT_STATE_DIR } from '../../src/tables/paths.ts'
import { machineOf, outcomesOf, RUN_OPTIONS, rehearse, SESSION_ID } from '../support/built-in.ts'
import { makeScriptedUi } from '../support/scripted-ui.ts'

const slotFile = (suffix: string): string => `/var/lib/anti-evil-maid/aem${suffix}/tpm-freshness-slot`

function setSlot(machine: SimMachine, slot: number): SimMachine {
  machine.dom0.set(slotFile(STICK.suffix), { bytes: Buffer.from(`${slot}\n`), mtimeMs: 0 })
  return machine
}

/** The same machine with a TPM 1.2, of which the built-in one has no tools: its slots cannot be read. */
const withTpm12 = (host: Host): Host => ({
  ...host,
  run: async (call, input) =>
    call.argv.join(' ').includes('tcsd') ? unknown('no tcsd here') : host.run(call, input),
  readFile: async (path) =>
    path.endsWith('/tpm_version_major') ? { state: 'seen', value: Buffer.from('1\n') } : host.readFile(path),
})

function slotsOf(machine: SimMachine): readonly string[] {
  return ['', STICK.suffix].map((suffix) => Buffer.from(machine.dom0.get(slotFile(suffix))!.bytes).toString())
}

function bootShowsSecret(machine: SimMachine, uuid: string): boolean {
  machine.bootDevice = uuid
  restartMachine(machine)
  return machine.journal.some((text) => text.includes('Freshness token valid'))
}

async function repair(
  machine: SimMachine,
  answers: Readonly<Record<string, string>>,
  change: (host: Host) => Host = (host) => host,
) {
  const host = change(withTpm12(makeSimulatedHost(machine)))
  const ui = makeScriptedUi(answers)
  const result = await runFlow(repairSlots, repairSlots.start, STEPS, {
    host,
    ui,
    store: makeDirectoryStore(host, DEFAULT_STATE_DIR),
    options: RUN_OPTIONS,
    session: startSession({ id: SESSION_ID, now: host.now(), bootId: 'boot', flow: 'repair-slots' }),
    simulateRestart: null,
  })
  return { result, ui }
}

let machine: SimMachine
beforeEach(() => {
  // as AEM 4.2.0 leaves it: every device has slot 0
  machine = machineOf('two-devices')
})

describe('equal freshness slots', () => {
  it('make the other device invalid with each seal; that is what is repaired', () => {
    bootShowsSecret(machine, INTERNAL.uuid)
    bootShowsSecret(machine, STICK.uuid)
    expect(bootShowsSecret(machine, INTERNAL.uuid)).toBe(false)
  })

  it('are explained and repaired on request; the device of this boot keeps its slot', async () => {
    bootShowsSecret(machine, INTERNAL.uuid)
    const { result, ui } = await repair(machine, { 'repair-slots': 'yes' })
    expect(outcomesOf(result)).toEqual(['check-slots: repair', 'repair-slots: repaired'])
    expect(result.exit).toBe(0)
    expect(ui.said.join('\n')).toMatch(/aem and aem\.stick \(slot 0\)/)
    expect(slotsOf(machine)).toEqual(['0\n', '1\n'])
  })

  it('stay as they are by default and with --yes, which is no answer to a repair', async () => {
    const { result } = await repair(machine, { '*': 'yes' })
    expect(outcomesOf(result)).toEqual(['check-slots: kept'])
    expect(result.exit).toBe(1)
    expect(slotsOf(machine)).toEqual(['0\n', '0\n'])
  })

  it('are found before the reseal of a session, and change nothing there either without a yes', async () => {
    const { result } = await rehearse({ machine })
    expect(outcomesOf(result)).toContain('check-slots: first-slot-only')
    expect(slotsOf(machine)).toEqual(['0\n', '0\n'])
  })

  it('are not called repaired where the file says otherwise after the write', async () => {
    const { result } = await repair(machine, { 'repair-slots': 'yes' }, (host) => ({
      ...host,
      writeFileAtomic: async (path, bytes, mode) =>
        path.endsWith('tpm-freshness-slot') ? undefined : host.writeFileAtomic(path, bytes, mode),
    }))
    expect(outcomesOf(result).at(-1)).toBe('repair-slots: failed')
    expect(result.exit).toBe(1)
  })

  it('are not called repaired where the file cannot be read after the write', async () => {
    let isWritten = false
    const { result } = await repair(machine, { 'repair-slots': 'yes' }, (host) => ({
      ...host,
      async writeFileAtomic(path, bytes, mode) {
        await host.writeFileAtomic(path, bytes, mode)
        isWritten ||= path.endsWith('tpm-freshness-slot')
      },
      readFile: async (path) =>
        isWritten && path.endsWith('tpm-freshness-slot')
          ? unknown('input/output error')
          : host.readFile(path),
    }))
    expect(outcomesOf(result).at(-1)).toBe('repair-slots: failed')
  })

  it('write nothing where each device has its own', async () => {
    const { result, ui } = await repair(setSlot(machineOf('two-devices'), 1), {})
    expect(outcomesOf(result)).toEqual(['check-slots: distinct'])
    expect(ui.said.join('\n')).toContain('no two AEM devices have the same freshness slot')
  })

  it.each([
    [
      'a slot file',
      (host: Host): Host => ({
        ...host,
        readFile: async (path) =>
          path === slotFile(STICK.suffix) ? unknown('input/output error') : host.readFile(path),
      }),
    ],
    [
      'the device ledger',
      (host: Host): Host => ({
        ...host,
        run: async (call, input) => (call.id === 'lsblk' ? unknown('no answer') : host.run(call, input)),
      }),
    ],
  ])('are not ruled out where %s cannot be read', async (_what, change) => {
    const { ui } = await repair(setSlot(machineOf('two-devices'), 1), {}, change)
    expect(ui.said.join('\n')).toMatch(/not every\s+slot is known/)
    expect(ui.said.join('\n')).not.toContain('no two AEM devices have')
  })

  it('are not repaired with TPM 2.0, where another slot would hide the secret for good', async () => {
    const { result, ui } = await repair(machine, { 'repair-slots': 'yes' }, () => makeSimulatedHost(machine))
    expect(outcomesOf(result)).toEqual(['check-slots: first-slot-only'])
    expect(result.exit).toBe(1)
    expect(slotsOf(machine)).toEqual(['0\n', '0\n'])
    expect(ui.said.join('\n')).toContain('keep to one AEM device')
    // what it saves the user from
    setSlot(machine, 1)
    bootShowsSecret(machine, STICK.uuid)
    expect(bootShowsSecret(machine, STICK.uuid)).toBe(false)
  })

  it('a device in such a slot is named, with the way back', async () => {
    const { result, ui } = await repair(setSlot(machine, 1), {}, () => makeSimulatedHost(machine))
    expect(outcomesOf(result)).toEqual(['check-slots: first-slot-only'])
    expect(result.exit).toBe(1)
    expect(ui.said.join(' ').replaceAll(/\s+/g, ' ')).toMatch(
      /aem\.stick has freshness slot 1, but on TPM 2\.0 [\s\S]*`echo 0 \| sudo tee \S+aem\.stick\/tpm-freshness-slot/,
    )
  })
})
