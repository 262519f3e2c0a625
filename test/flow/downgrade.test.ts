import { describe, expect, it } from 'vitest'
import { makeMemoryStore } from '../../src/act/memory-store.ts'
import { recordVersions } from '../../src/core/session/versions.ts'
import { confirmUpdate } from '../../src/flow/steps/confirm-update.ts'
import type { Host } from '../../src/host/host.ts'
import { seen, unknown } from '../../src/host/host.ts'
import { copyBootFiles, installXen } from '../../src/host/simulated/build.ts'
import { makeSimulatedHost } from '../../src/host/simulated/host.ts'
import type { SimMachine } from '../../src/host/simulated/model.ts'
import { restartMachine } from '../../src/host/simulated/power.ts'
import { observeDevices } from '../../src/observe/device/devices.ts'
import { observeConfirmedPackages } from '../../src/observe/dom0/confirmed-packages.ts'
import { observeDom0 } from '../../src/observe/dom0/dom0.ts'
import { observeMachine } from '../../src/observe/dom0/machine.ts'
import { observeNewest } from '../../src/observe/dom0/packages.ts'
import { observeBaseline } from '../../src/observe/launch/baseline.ts'
import { observeExplanation } from '../../src/observe/launch/explanation.ts'
import { observeEntries } from '../../src/observe/launch/launch.ts'
import { aSession, machineOf, outcomesOf, RUN_OPTIONS, rehearse } from '../support/built-in.ts'
import { makeScriptedUi } from '../support/scripted-ui.ts'
import { stepContext, withLook } from '../support/with-look.ts'

const AT = '2024-07-16T12:00:00.000Z'
/** What an earlier session confirmed: a Xen newer than the one that is installed now. */
const CONFIRMED = recordVersions(null, [{ name: 'xen-hypervisor', evr: '2001:4.17.4-6.fc37' }], [], AT)

function contextWith(
  answers: Readonly<Record<string, string>>,
  versions: Parameters<typeof makeMemoryStore>[1],
) {
  const ui = makeScriptedUi(answers)
  const host = makeSimulatedHost(machineOf('clean-update'))
  const store = makeMemoryStore(ui, versions)
  return { host, ui, store, options: RUN_OPTIONS, session: aSession(), simulateRestart: null }
}

describe('confirm-update of an older, well signed Xen', () => {
  it('is no update for --yes: it names both versions and stops', async () => {
    const context = contextWith({ '*': 'yes' }, seen(CONFIRMED))
    const report = await confirmUpdate(withLook(context))
    expect(report.outcome).toBe('downgrade')
    expect(report.message.what).toContain('xen-hypervisor 2001:4.17.4-4.fc37, which was 2001:4.17.4-6.fc37')
    expect(report.message.tone).toBe('alarm')
    expect(report.session?.expectation?.downgrades).toEqual([])
    expect(await context.store.loadVersions()).toEqual(seen(CONFIRMED))
  })

  it('is asked of nobody where nobody can answer', async () => {
    const context = contextWith({ '*': 'yes' }, seen(CONFIRMED))
    const report = await confirmUpdate(withLook({ ...context, options: { ...RUN_OPTIONS, canAsk: false } }))
    expect(report.outcome).toBe('downgrade')
    expect(context.ui.asked).not.toContain('downgrade')
  })

  it('goes on where a person says that it is wanted, and is not asked again', async () => {
    const context = contextWith({ downgrade: 'yes', '*': 'yes' }, seen(CONFIRMED))
    const report = await confirmUpdate(withLook(context))
    expect(report.outcome).toBe('downgrade-wanted')
    expect(report.session?.expectation?.downgrades).toMatchObject([{ to: '2001:4.17.4-4.fc37' }])
    expect((await confirmUpdate(withLook(context))).outcome).toBe('confirmed')
  })

  it('is not confirmed while the record cannot be read', async () => {
    const report = await confirmUpdate(withLook(contextWith({ '*': 'yes' }, unknown('damaged'))))
    expect(report.outcome).toBe('unknown')
    expect(report.message.what).toContain('versions.json')
  })

  it('is told from an update by the running Xen alone, where the version itself is older', async () => {
    const context = contextWith({ '*': 'yes' }, undefined)
    const host = {
      ...context.host,
      run: async (call, input) => {
        const answer = await context.host.run(call, input)
        if (call.id !== 'xl-info' || answer.state !== 'seen') return answer
        return seen({ ...answer.value, stdout: answer.value.stdout.replace('4.17.4', '4.17.5') })
      },
    } satisfies Partial<typeof context.host> & typeof context.host
    expect((await confirmUpdate({ ...context, host, dom0: observeDom0(host) })).outcome).toBe('downgrade')
  })

  it('is an update where nothing newer was ever here', async () => {
    const context = contextWith({ '*': 'yes' }, undefined)
    expect((await confirmUpdate(withLook(context))).outcome).toBe('confirmed')
    const versions = await context.store.loadVersions()
    expect(versions.state === 'seen' && versions.value.packages).toContainEqual(
      expect.objectContaining({ name: 'xen-hypervisor', evr: '2001:4.17.4-4.fc37' }),
    )
  })
})

describe('after the restart', () => {
  /** An older signed package takes the place of the confirmed one, with its own digest in the RPM database. */
  function downgrade(machine: SimMachine): void {
    installXen(machine, '4.17.4-2', machine.nowMs)
    for (const device of machine.devices) copyBootFiles(machine, device)
  }

  it('an older package than the one that was confirmed never ends well', async () => {
    const { result } = await rehearse({ machine: machineOf('clean-update'), whileOff: downgrade })
    expect(result.exit).not.toBe(0)
    expect(
      outcomesOf(result).some((text) => text.startsWith('reseal') || text === 'explain: explained'),
    ).toBe(false)
  })

  /** What an earlier boot had recorded of the machine as it is. */
  async function recorded(host: Host) {
    const baseline = await observeBaseline(observeDom0(host), [13, 17, 18, 19])
    return aSession({ baseline: baseline && { ...baseline, bootId: 'the boot before' } })
  }

  it('is named with both versions', async () => {
    const machine = machineOf('clean-update')
    const host = makeSimulatedHost(machine)
    const session = await recorded(host)
    downgrade(machine)
    const { verdict, reasons } = await observeExplanation(observeDom0(host), session, { state: 'absent' })
    expect(verdict).toBe('unexplained')
    const found = reasons.find(({ code }) => code === 'package-downgraded')
    expect(found?.what).toContain('2001:4.17.4-4.fc37 then, 2001:4.17.4-2.fc37 now')
    expect(found?.isBlocking).toBe(true)
  })

  it('is found by the record of earlier sessions alone', async () => {
    const machine = machineOf('clean-update')
    const host = makeSimulatedHost(machine)
    const session = await recorded(host)
    const { reasons } = await observeExplanation(observeDom0(host), session, seen(CONFIRMED))
    expect(reasons.map(({ code }) => code)).toContain('package-downgraded')
    const clean = await observeExplanation(observeDom0(host), session, { state: 'absent' })
    expect(clean.verdict).toBe('unchanged')
  })
})

it('the newest package is the newest version, not the one that was installed last', async () => {
  const machine = machineOf('clean-update')
  const found = machine.packages.find(({ name }) => name === 'kernel')
  if (!found) throw new Error('the built-in machine has no kernel')
  const older = { ...found, evr: '1000:6.1.62-1.qubes.fc37', installedAtMs: machine.nowMs, files: new Map() }
  machine.packages.push(older)
  expect((await observeNewest(observeDom0(makeSimulatedHost(machine)), 'kernel'))?.evr).toBe(found.evr)
})

describe('of two installed kernels', () => {
  const RELEASE = '6.6.36-1.qubes.fc37.x86_64'

  /** A second kernel, newer by its version, that the boot entry does not load. */
  function withNewerKernel(name: string): SimMachine {
    const machine = machineOf('clean-update')
    const found = machine.packages.find((item) => item.name === 'kernel')
    if (!found) throw new Error('the built-in machine has no kernel')
    machine.packages.push({ ...found, name, evr: '1000:6.9.2-1.qubes.fc37', files: new Map() })
    return machine
  }

  it('the one counts that the entry loads, as GRUB goes by its own rule', async () => {
    const host = makeSimulatedHost(withNewerKernel('kernel'))
    const machine = await observeMachine(host)
    const [device] = await observeDevices(host, machine)
    const { next } = await observeEntries(host, device ?? null, machine)
    expect(next?.modules.map(({ path }) => path)).toContain(`/vmlinuz-${RELEASE}`)
    const evrOf = async (entry: typeof next) =>
      (await observeConfirmedPackages(observeDom0(host), null, entry))?.packages.find(
        ({ name }) => name === 'kernel',
      )?.evr
    expect(await evrOf(next)).toBe('1000:6.6.36-1.qubes.fc37')
    expect(await evrOf(null)).toBe('1000:6.9.2-1.qubes.fc37')
  })

  it('the other one is no downgrade of the one that runs', async () => {
    const ui = makeScriptedUi({ '*': 'yes' })
    const host = makeSimulatedHost(withNewerKernel('kernel-latest'))
    const context = { ui, host, store: makeMemoryStore(ui), options: RUN_OPTIONS, session: aSession() }
    const running = (release: string) => ({
      ...host,
      readFile: async (path: string) =>
        path === '/proc/sys/kernel/osrelease' ? seen(Buffer.from(`${release}\n`)) : host.readFile(path),
    })
    const outcomeOf = async (release: string) => {
      const own = { ...context, host: running(release), simulateRestart: null }
      return (await confirmUpdate(withLook(own))).outcome
    }
    expect(await outcomeOf(RELEASE)).toBe('confirmed')
    expect(await outcomeOf('6.9.2-1.qubes.fc37.x86_64')).toBe('downgrade')
  })
})

describe('confirm-update, where Xen was replaced without a newer package', () => {
  async function confirm(isRunning: boolean) {
    const machine = machineOf('clean-update')
    const early = Math.min(...machine.packages.map(({ installedAtMs }) => installedAtMs))
    machine.packages = machine.packages.map((item) => ({ ...item, installedAtMs: early }))
    if (isRunning) restartMachine(machine)
    return confirmUpdate(stepContext(makeSimulatedHost(machine)))
  }

  it('expects it to change the registers, and names its package', async () => {
    const { outcome, session } = await confirm(false)
    expect(outcome).toBe('confirmed')
    expect(session?.expectation).toMatchObject({ changedPackages: ['xen-hypervisor'], mayChange: [18, 19] })
  })

  it('expects nothing once that Xen runs', async () => {
    const { outcome, session } = await confirm(true)
    expect(outcome).toBe('nothing-pending')
    expect(session?.expectation).toMatchObject({ changedPackages: [], mayChange: [] })
  })
})
