import { describe, expect, it } from 'vitest'
import { makeMemoryStore } from '../../src/act/memory-store.ts'
import type { Session } from '../../src/core/session/checkpoint.ts'
import { acceptChange } from '../../src/flow/steps/accept-change.ts'
import { checkBoot } from '../../src/flow/steps/check-boot.ts'
import { checkDevice } from '../../src/flow/steps/check-device.ts'
import { checkRefresh } from '../../src/flow/steps/check-refresh.ts'
import { forwardSeal } from '../../src/flow/steps/forward-seal.ts'
import { refreshDevice } from '../../src/flow/steps/refresh-device.ts'
import { verify } from '../../src/flow/steps/verify.ts'
import { ABSENT, type Host, seen } from '../../src/host/host.ts'
import { STICK } from '../../src/host/simulated/build.ts'
import { makeSimulatedHost } from '../../src/host/simulated/host.ts'
import { SELECTED_PCRS, type SimMachine } from '../../src/host/simulated/model.ts'
import { restartMachine } from '../../src/host/simulated/power.ts'
import { observeDom0 } from '../../src/observe/dom0/dom0.ts'
import { observeBaseline } from '../../src/observe/launch/baseline.ts'
import { observePrediction } from '../../src/observe/launch/prediction.ts'
import { observePrepared } from '../../src/observe/launch/prepared.ts'
import { goodMachine } from '../support/approved-machine.ts'
import { sealedFiles } from '../support/attack.ts'
import { aSession, machineOf, RUN_OPTIONS } from '../support/built-in.ts'
import { makeScriptedUi } from '../support/scripted-ui.ts'
import { withLook } from '../support/with-look.ts'

/* Steps by themselves: each one refuses what an earlier step of its flow would have refused before it. */

function contextOf(
  machine: SimMachine,
  session: Partial<Session> = {},
  told: (own: Host) => Partial<Host> = () => ({}),
) {
  const own = makeSimulatedHost(machine)
  const ui = makeScriptedUi({ 'refresh-device': 'yes', '*': 'yes' })
  const host = { ...own, ...told(own) }
  const rest = {
    store: makeMemoryStore(ui),
    options: RUN_OPTIONS,
    session: aSession(session),
    simulateRestart: null,
  }
  return { ...rest, host, ui }
}

describe('forward-seal', () => {
  async function seal(told?: (own: Host) => Partial<Host>) {
    const machine = machineOf('clean-update')
    const { prediction } = await observePrediction(observeDom0(makeSimulatedHost(machine)), SELECTED_PCRS)
    const before = sealedFiles(machine)
    const kept = prediction as unknown as Session['prediction']
    const report = await forwardSeal(withLook(contextOf(machine, { prediction: kept }, told)))
    return { report, isUntouched: JSON.stringify(sealedFiles(machine)) === JSON.stringify(before) }
  }

  it('seals to what is predicted', async () => {
    const { report, isUntouched } = await seal()
    expect([report.outcome, isUntouched]).toEqual(['sealed', false])
  })

  it('touches nothing where one condition is not met, though all that it needs is known', async () => {
    const { report, isUntouched } = await seal(() => ({ freeBytes: async () => seen(1024) }))
    expect([report.outcome, isUntouched]).toEqual(['failed', true])
    expect(report.facts).toMatchObject({ what: expect.stringMatching(/MiB|KiB|free/), takenBack: true })
    expect(report.facts.what).not.toMatch(/predicted:|sealed before/)
  })

  it('begun again after it ended half-way first puts everything back: there is one seal, and the old files beside', async () => {
    const machine = machineOf('clean-update')
    const { prediction } = await observePrediction(observeDom0(makeSimulatedHost(machine)), SELECTED_PCRS)
    const before = sealedFiles(machine)
    const kept = prediction as unknown as Session['prediction']
    const seal = (findings: Session['findings']) =>
      forwardSeal(withLook(contextOf(machine, { prediction: kept, findings })))
    const first = await seal({})
    const again = await seal({ 'forward-seal': { record: first.facts.record } })
    expect([first.outcome, again.outcome]).toEqual(['sealed', 'sealed'])
    const previousOf = (facts: Readonly<Record<string, unknown>>) =>
      (facts.record as { previous: unknown }).previous
    expect(previousOf(again.facts)).toEqual(previousOf(first.facts))
    const digests = Object.values(sealedFiles(machine))
    for (const digest of Object.values(before)) expect(digests).toContain(digest)
  })
})

describe('verify', () => {
  it('claims nothing where the device of this boot is out, whatever is found of another one', async () => {
    const machine = machineOf('two-devices')
    for (const device of machine.devices) if (device.uuid === machine.bootDevice) device.isPresent = false
    const { outcome, facts } = await verify(withLook(contextOf(machine)))
    expect(outcome).toBe('not-verified')
    expect(facts.devices).toEqual(expect.any(Array))
  })

  it('claims nothing of another device where the one of this boot cannot be told', async () => {
    const machine = machineOf('two-devices')
    machine.bootDevice = STICK.uuid
    restartMachine(machine)
    for (const device of machine.devices) if (device.uuid === STICK.uuid) device.isPresent = false
    const context = contextOf(machine, {}, (own) => ({
      readFile: async (path) => (path === '/run/anti-evil-maid/suffix' ? ABSENT : own.readFile(path)),
    }))
    // The other one is sealed to another selection, which is a plain no.
    for (const [path, file] of machine.devices[0]?.files ?? [])
      if (path.endsWith('/key.pcrs'))
        machine.devices[0]?.files.set(path, { ...file, bytes: Buffer.from('sha256:1\n') })
    const { outcome, facts } = await verify(withLook(context))
    const [first] = facts.devices as readonly { device: string; ok: boolean | null }[]
    expect(first).toMatchObject({ device: 'aem', ok: false })
    expect(outcome).toBe('not-verified')
  })

  it('is about the device of this boot, not about the first one', async () => {
    const machine = machineOf('clean-update')
    const own = await verify(withLook(contextOf(machine)))
    expect(own.facts.devices).toMatchObject([{ device: 'aem', booted: true }])
    const [found] = own.facts.devices as readonly { ok: boolean | null }[]
    expect(own.outcome).toBe(
      found?.ok === true ? 'verified' : found?.ok === false ? 'failed' : 'not-verified',
    )
  })

  it('failed where a copy does not fit this boot', async () => {
    const machine = machineOf('clean-update')
    for (const { files } of machine.devices)
      for (const [path, file] of files)
        if (path.endsWith('/secret.fre.sealed2')) files.set(path, { ...file, bytes: Buffer.from('damaged') })
    expect((await verify(withLook(contextOf(machine)))).outcome).toBe('failed')
  })
})

describe('the refresh of a device', () => {
  it.each([
    ['that is not there', 'aem.lost'],
    ["that is dom0's own /boot", 'aem'],
  ])('%s is refused before anything is compared', async (_, device) => {
    const { outcome, facts } = await checkRefresh(withLook(contextOf(machineOf('two-devices'), { device })))
    expect([outcome, facts]).toEqual(['blocked', { device }])
  })

  it('that went missing after the question has failed, and says so', async () => {
    const machine = machineOf('two-devices')
    const session = { device: 'aem.lost' }
    expect(await refreshDevice(withLook(contextOf(machine, session)))).toMatchObject({
      outcome: 'failed',
      facts: {},
    })
  })

  /** The stick lacks a file. */
  function lacking(): SimMachine {
    const machine = machineOf('two-devices')
    machine.devices.find(({ uuid }) => uuid === STICK.uuid)?.files.delete('/tboot.gz')
    return machine
  }

  it('is offered where it lacks something, and kept as it is where nobody can be asked', async () => {
    const context = contextOf(lacking(), { device: 'aem.stick' })
    expect((await checkRefresh(withLook(context))).outcome).toBe('refresh')
    const unasked = contextOf(lacking(), { device: 'aem.stick' })
    const options = { ...RUN_OPTIONS, canAsk: false }
    expect((await checkRefresh(withLook({ ...unasked, options }))).outcome).toBe('kept')
    expect(unasked.ui.asked).toEqual([])
  })

  it('writes nothing where a condition is not met any more', async () => {
    const machine = lacking()
    const context = contextOf(machine, { device: 'aem.stick' }, () => ({ freeBytes: async () => seen(1024) }))
    const { outcome, facts } = await refreshDevice(withLook(context))
    expect(outcome).toBe('failed')
    // What is met is not named beside it.
    expect(facts.what).toMatch(/^bringing the device up to date: only 1 MiB free on aem\.stick, [^;]*$/)
    expect(machine.devices.find(({ uuid }) => uuid === STICK.uuid)?.files.has('/tboot.gz')).toBe(false)
  })
})

describe('check-boot', () => {
  it('without anything to compare with is no boot that was planned for, whatever Xen runs', async () => {
    const machine = goodMachine()
    const expectation = { xenBuildId: '0'.repeat(40), deviceUuid: machine.bootDevice }
    const { outcome, facts } = await checkBoot(
      withLook(contextOf(machine, { baseline: null, expectation: expectation as never })),
    )
    expect(outcome).toBe('unknown')
    expect(facts).toMatchObject({ recordedBootId: null, expectedBuildId: '0'.repeat(40) })
  })
})

it('a device that is not there is not sealed forward', async () => {
  const { outcome } = await checkDevice(withLook(contextOf(goodMachine(), { device: 'aem.gone' })))
  expect(outcome).toBe('blocked')
})

it('the device of this boot is asked for only where the boot is the expected one', async () => {
  const machine = goodMachine()
  const baseline = (await observeBaseline(observeDom0(makeSimulatedHost(machine)), SELECTED_PCRS))!
  for (const device of machine.devices) device.isPresent = false
  const { outcome } = await checkBoot(withLook(contextOf(machine, { baseline })))
  expect(outcome).toBe('same-boot')
})

it('a forward seal that was chosen and not made is told before anything is compared', async () => {
  const machine = goodMachine()
  const baseline = (await observeBaseline(observeDom0(makeSimulatedHost(machine)), SELECTED_PCRS))!
  const { buildId } = baseline.runningXen
  restartMachine(machine)
  const outcomeOf = async (protection: Session['protection']) => {
    const expectation = { xenBuildId: buildId, deviceUuid: machine.bootDevice } as never
    const session = { baseline, expectation, protection }
    return (await checkBoot(withLook(contextOf(machine, session)))).outcome
  }
  expect(await outcomeOf('plain')).toBe('expected')
  expect(await outcomeOf('forward-seal')).toBe('forward-unfinished')
})

describe('what the next boot was prepared for', () => {
  it('is not kept without a baseline, or of a boot that has no identity', async () => {
    const dom0 = observeDom0(makeSimulatedHost(machineOf('clean-update')))
    const baseline = (await observeBaseline(dom0, SELECTED_PCRS))!
    const kept = (session: Partial<Session>) => observePrepared(dom0, aSession(session))
    expect(await kept({ baseline })).toMatchObject({ bootId: baseline.bootId, label: 'aem' })
    expect(await kept({ baseline: null })).toBeNull()
    // The entry is that of the recorded grub.cfg, or none.
    expect((await kept({ baseline }))?.entry).not.toBeNull()
    const bootFiles = baseline.bootFiles.map((file) =>
      file.role === 'grub.cfg' ? { ...file, digests: { ...file.digests!, sha256: 'e'.repeat(64) } } : file,
    )
    expect((await kept({ baseline: { ...baseline, bootFiles } }))?.entry).toBeNull()
    expect(await kept({ baseline: { ...baseline, bootId: null } })).toBeNull()
  })
})

describe('accept-change where nothing changed', () => {
  async function accept(change: (machine: SimMachine) => void) {
    const machine = goodMachine()
    const baseline = await observeBaseline(observeDom0(makeSimulatedHost(machine)), SELECTED_PCRS)
    change(machine)
    const session = {
      baseline,
      findings: { explain: { verdict: 'unchanged', reasons: [], pcrs: [], advice: [] } },
    }
    const context = contextOf(machine, session as never)
    const { outcome, facts } = await acceptChange(withLook(context))
    return { outcome, facts, asked: context.ui.asked }
  }

  it('asks nothing where the secret was shown: there is nothing to seal', async () => {
    const { outcome, facts, asked } = await accept(() => undefined)
    expect([outcome, asked]).toEqual(['nothing-to-do', []])
    expect(facts).toMatchObject({ asked: false, sealedInThisBoot: false })
  })

  it('asks for a reseal where no secret was shown and AEM has not sealed', async () => {
    const { outcome, asked } = await accept((machine) => {
      machine.journal = []
    })
    expect([outcome, asked]).toEqual(['accepted', ['accept-change']])
  })
})
