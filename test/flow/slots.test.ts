import { beforeEach, describe, expect, it } from 'vitest'
import { repairSlots } from '../../flows/devices.ts'
import { startSession } from '../../src/core/session/checkpoint.ts'
import { runFlow } from '../../src/flow/runner.ts'
import { STEPS } from '../../src/flow/steps.ts'
import { makeDirectoryStore } from '../../src/flow/store.ts'
import { type Host, unknown } from '../../src/host/host.ts'
import { INTERNAL, STICK } from '../../src/host/simulated/build.ts'
import { makeSimulatedHost } from '../../src/host/simulated/host.ts'
import type { SimMachine } from '../../src/host/simulated/model.ts'
import { restartMachine } from '../../src/host/simulated/power.ts'
import { DEFAULT_STATE_DIR } from '../../src/paths.ts'
import { machineOf, outcomesOf, RUN_OPTIONS, rehearse, SESSION_ID } from '../support/built-in.ts'
import { makeScriptedUi } from '../support/scripted-ui.ts'

const slotFile = (suffix: string): string => `/var/lib/anti-evil-maid/aem${suffix}/tpm-freshness-slot`

/** As AEM 4.2.0 leaves it: every device has slot 0. */
function shareSlot(machine: SimMachine): SimMachine {
  machine.dom0.set(slotFile(STICK.suffix), { bytes: Buffer.from('0\n'), mtimeMs: 0 })
  return machine
}

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
  const host = change(makeSimulatedHost(machine))
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
  machine = shareSlot(machineOf('two-devices'))
})

describe('equal freshness slots', () => {
  it('make the other device invalid with each seal; that is what is repaired', () => {
    bootShowsSecret(machine, INTERNAL.uuid)
    bootShowsSecret(machine, STICK.uuid)
    expect(bootShowsSecret(machine, INTERNAL.uuid)).toBe(false)
  })

  it('are explained and repaired on request; then both devices show the secret', async () => {
    bootShowsSecret(machine, INTERNAL.uuid)
    const { result, ui } = await repair(machine, { 'repair-slots': 'yes' })
    expect(outcomesOf(result)).toEqual(['check-slots: repair', 'repair-slots: repaired'])
    expect(result.exit).toBe(0)
    expect(ui.said.join('\n')).toMatch(/aem and aem\.stick \(slot 0\)/)
    // The device of this boot keeps the slot: its token lies in it.
    expect(slotsOf(machine)).toEqual(['0\n', '1\n'])
    expect(bootShowsSecret(machine, STICK.uuid)).toBe(false)
    expect(bootShowsSecret(machine, STICK.uuid)).toBe(true)
    expect(bootShowsSecret(machine, INTERNAL.uuid)).toBe(true)
    expect(bootShowsSecret(machine, STICK.uuid)).toBe(true)
  })

  it('stay as they are by default and with --yes, which is no answer to a repair', async () => {
    const { result } = await repair(machine, { '*': 'yes' })
    expect(outcomesOf(result)).toEqual(['check-slots: kept'])
    expect(result.exit).toBe(1)
    expect(slotsOf(machine)).toEqual(['0\n', '0\n'])
  })

  it('are found before the reseal of a session, and change nothing there either without a yes', async () => {
    const { result } = await rehearse({ machine })
    expect(outcomesOf(result)).toContain('check-slots: kept')
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
    const { result, ui } = await repair(machineOf('two-devices'), {})
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
      'the list of devices',
      (host: Host): Host => ({
        ...host,
        run: async (call, input) => (call.id === 'lsblk' ? unknown('no answer') : host.run(call, input)),
      }),
    ],
  ])('are not ruled out where %s cannot be read', async (_what, change) => {
    const { ui } = await repair(machineOf('two-devices'), {}, change)
    expect(ui.said.join('\n')).toMatch(/not every\s+slot is known/)
    expect(ui.said.join('\n')).not.toContain('no two AEM devices have')
  })
})
