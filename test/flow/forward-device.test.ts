import { beforeEach, describe, expect, it } from 'vitest'
import { forwardDevice, refreshDevice } from '../../flows/devices.ts'
import { makeDirectoryStore } from '../../src/act/session-store.ts'
import { decideDeviceWork } from '../../src/core/decide/device-work.ts'
import { listForwardValues } from '../../src/core/seal/forward-of-session.ts'
import { startSession } from '../../src/core/session/checkpoint.ts'
import { runFlow } from '../../src/flow/runner.ts'
import { STEPS } from '../../src/flow/steps.ts'
import type { Flow } from '../../src/flow/types.ts'
import type { Host } from '../../src/host/host.ts'
import { changeOneByte, makeSinit } from '../../src/host/simulated/boot-images.ts'
import { INTERNAL, installXen, NEW_XEN, STICK, XEN_IMAGE } from '../../src/host/simulated/build.ts'
import { makeSimulatedHost } from '../../src/host/simulated/host.ts'
import { KERNEL_RELEASE, type SimMachine } from '../../src/host/simulated/model.ts'
import { restartMachine } from '../../src/host/simulated/power.ts'
import { observeDom0 } from '../../src/observe/dom0/dom0.ts'
import { observeMachine } from '../../src/observe/dom0/machine.ts'
import { observeStatus } from '../../src/observe/dom0/status.ts'
import { DEFAULT_STATE_DIR } from '../../src/tables/paths.ts'
import { machineOf, outcomesOf, RUN_OPTIONS, SESSION_ID } from '../support/built-in.ts'
import { makeScriptedUi } from '../support/scripted-ui.ts'
import { statusAnswerOf } from '../support/status.ts'
import { verifyNow } from '../support/verify-now.ts'

const INITRAMFS = `/initramfs-${KERNEL_RELEASE}.img`

let machine: SimMachine
/** The update was booted from dom0's own disk, explained, and approved; the stick is as it was before the update. */
beforeEach(async () => {
  machine = machineOf('two-devices')
  bootFrom(INTERNAL.uuid)
  await verify(true)
})

function stick() {
  return machine.devices.find(({ uuid }) => uuid === STICK.uuid)!
}

function bootFrom(uuid: string): void {
  machine.bootDevice = uuid
  restartMachine(machine)
}

function isSecretShown(): boolean {
  return machine.journal.some((text) => text.includes('Freshness token valid'))
}

const verify = (approve: boolean) => verifyNow(machine, { approve })

async function run(
  flow: Flow,
  change: (host: Host) => Host = (host) => host,
  device = 'aem.stick',
  answers: Readonly<Record<string, string>> = {},
) {
  const host = change(makeSimulatedHost(machine))
  const ui = makeScriptedUi({ 'refresh-device': 'yes', ...answers })
  const store = makeDirectoryStore(host, DEFAULT_STATE_DIR)
  const { bootId } = await observeMachine(host)
  const session = startSession({ id: SESSION_ID, now: host.now(), bootId, flow: flow.id, device })
  const context = { host, ui, store, options: RUN_OPTIONS, session, simulateRestart: null }
  const result = await runFlow(flow, flow.start, STEPS, context)
  return { result, said: ui.said.join(' ').replaceAll(/\s+/g, ' '), store }
}

async function workOf(label: string) {
  const look = await makeDirectoryStore(makeSimulatedHost(machine), DEFAULT_STATE_DIR).loadDevices()
  return decideDeviceWork(look, { label, present: true, bootFiles: 'current' })
}

async function sealedForOf(label: string) {
  const host = makeSimulatedHost(machine)
  const look = await makeDirectoryStore(host, DEFAULT_STATE_DIR).loadDevices()
  const { devices } = await observeStatus(observeDom0(host), listForwardValues(null, look))
  return devices.find((device) => device.label === label)?.binding
}

function sealedFiles(): Record<string, string> {
  const all = [...machine.dom0, ...stick().files].filter(([path]) => path.includes('aem.stick/'))
  return Object.fromEntries(all.map(([path, { bytes }]) => [path, Buffer.from(bytes).toString('hex')]))
}

const DONE = [
  'check-ground: vouched',
  'check-device: ready',
  'predict: complete',
  'gate-forward-seal: ready',
  'forward-seal: sealed',
  'keep-forward: kept',
]

describe('a device that was not booted from', () => {
  it('as AEM leaves it: its first boot after the update shows nothing', () => {
    bootFrom(STICK.uuid)
    expect(isSecretShown()).toBe(false)
  })

  it('is brought up to date and sealed forward: its first boot shows the secret', async () => {
    await run(refreshDevice)
    const { result } = await run(forwardDevice)
    expect(outcomesOf(result)).toEqual(DONE)
    expect(await sealedForOf('aem.stick')).toBe('forward')
    expect(await workOf('aem.stick')).toMatchObject({ state: 'to-do', needs: 'forward-boot' })
    bootFrom(STICK.uuid)
    expect(isSecretShown()).toBe(true)
    await verify(false)
    expect(await workOf('aem.stick')).toEqual({ state: 'done' })
  })

  it('shares the one slot that AEM reads on TPM 2.0: without a forward seal each change of device is blind', async () => {
    await run(refreshDevice)
    await run(forwardDevice)
    bootFrom(STICK.uuid)
    await verify(false)
    bootFrom(INTERNAL.uuid)
    expect(isSecretShown()).toBe(false)
  })

  it('and is sealed forward again before it is booted again, though it was verified before', async () => {
    await run(refreshDevice)
    await run(forwardDevice)
    bootFrom(STICK.uuid)
    await verify(false)
    // Its initramfs was seen measured in its own verified boot.
    const { result } = await run(forwardDevice, (host) => host, 'aem')
    expect(outcomesOf(result)).toEqual(DONE)
    bootFrom(INTERNAL.uuid)
    expect(isSecretShown()).toBe(true)
    expect(outcomesOf((await run(forwardDevice)).result)).toEqual(DONE)
    bootFrom(STICK.uuid)
    expect(isSecretShown()).toBe(true)
  })

  it('is not said to show its secret any more once AEM sealed another device into their common slot', async () => {
    await run(refreshDevice)
    const { said } = await run(forwardDevice)
    expect(said).toMatch(/at the next boot: one from aem before it would take its token out of the TPM/)
    const needsOf = async () => {
      const host = makeSimulatedHost(machine)
      const { aem } = await statusAnswerOf(host)
      return aem.devices.find(({ label }) => label === 'aem.stick')?.work
    }
    expect(await needsOf()).toMatchObject({ needs: 'forward-boot' })
    bootFrom(INTERNAL.uuid)
    expect(await needsOf()).toMatchObject({ needs: 'own-boot' })
    bootFrom(STICK.uuid)
    expect(isSecretShown()).toBe(false)
  })

  it('has nothing left beside in dom0, and no session', async () => {
    await run(refreshDevice)
    const { store } = await run(forwardDevice)
    expect([...machine.dom0.keys()].filter((path) => path.includes('aem-reseal_'))).toEqual([])
    expect(await store.load()).toBeNull()
  })

  /** Sealed forward, booted and verified; then booted from the other one again, each with its token in its slot, as with TPM 1.2. */
  async function verifiedInItsOwnBoot(): Promise<void> {
    const own = machine.slots.get(0)
    await run(refreshDevice)
    await run(forwardDevice)
    bootFrom(STICK.uuid)
    await verify(false)
    const slot = machine.slots.get(0)
    if (own) machine.slots.set(0, own)
    bootFrom(INTERNAL.uuid)
    if (slot) machine.slots.set(0, slot)
  }

  it('has nothing to do once it was verified in its own boot', async () => {
    await verifiedInItsOwnBoot()
    expect(outcomesOf((await run(forwardDevice)).result)).toEqual([
      'check-ground: vouched',
      'check-device: nothing-to-do',
    ])
  })

  it.each<[string, (bytes: Uint8Array) => Uint8Array | null]>([
    ['another', (bytes) => Buffer.concat([bytes, Buffer.of(0)])],
    ['missing', () => null],
  ])('has something to do where one of its own sealed files is %s since', async (_, change) => {
    await verifiedInItsOwnBoot()
    const [path, file] = [...stick().files].find(([name]) => name.endsWith('/aem.stick/key.priv'))!
    const bytes = change(file.bytes)
    if (bytes === null) stick().files.delete(path)
    else stick().files.set(path, { ...file, bytes })
    expect(outcomesOf((await run(forwardDevice)).result).slice(0, 2)).toEqual([
      'check-ground: vouched',
      'check-device: ready',
    ])
  })
})

it('is on the list again when its boot files were brought up to date after that', async () => {
  await run(refreshDevice)
  await run(forwardDevice)
  installXen(machine, `${NEW_XEN.slice(0, -1)}5`, machine.nowMs)
  await run(refreshDevice)
  expect(await workOf('aem.stick')).toMatchObject({ state: 'to-do', needs: 'own-boot' })
})

it('is on the list again when bringing it up to date failed half-way', async () => {
  await run(refreshDevice)
  await run(forwardDevice)
  bootFrom(STICK.uuid)
  await verify(false)
  bootFrom(INTERNAL.uuid)
  expect(await workOf('aem.stick')).toEqual({ state: 'done' })
  installXen(machine, `${NEW_XEN.slice(0, -1)}5`, machine.nowMs)
  const { result } = await run(refreshDevice, (host) => ({
    ...host,
    async run(call, input) {
      if (call.id === 'sync-filesystem')
        return { state: 'seen', value: { exit: 1, stdout: '', stderr: 'Input/output error' } }
      return host.run(call, input)
    },
  }))
  expect(outcomesOf(result).at(-1)).toBe('refresh-device: failed')
  expect(await workOf('aem.stick')).toMatchObject({ state: 'to-do' })
})

it('with a Xen that was never approved is named as changed before anything is overwritten', async () => {
  await run(refreshDevice)
  await run(forwardDevice)
  bootFrom(STICK.uuid)
  await verify(false)
  bootFrom(INTERNAL.uuid)
  const good = stick().files.get(`/${XEN_IMAGE}`)!
  stick().files.set(`/${XEN_IMAGE}`, { ...good, bytes: changeOneByte(good.bytes) })
  const host = makeSimulatedHost(machine)
  const { aem, next } = await statusAnswerOf(host)
  expect(aem.devices.find(({ label }) => label === 'aem.stick')?.changedFiles).toMatchObject([
    { path: `/${XEN_IMAGE}` },
  ])
  expect(next).toMatchObject({ command: null, why: expect.stringContaining('aem.stick was changed') })
  const { said } = await run(refreshDevice)
  expect(said).toMatch(
    /\/xen-4\.17\.4\.gz was CHANGED: neither the installed package's nor one of a boot approved/,
  )
})

describe('nothing is sealed', () => {
  /** Runs it and compares every sealed file with what was there. */
  async function refused(
    answers: Readonly<Record<string, string>> = {},
  ): Promise<{ outcomes: readonly string[]; said: string; exit: number }> {
    const before = sealedFiles()
    const { result, said } = await run(forwardDevice, (host) => host, 'aem.stick', answers)
    expect(sealedFiles()).toEqual(before)
    expect(result.exit).toBe(1)
    return { outcomes: outcomesOf(result), said, exit: result.exit }
  }

  it('for a stick with an initramfs that nobody vouches for', async () => {
    // The one that the installer's dracut made is made again, so that it has to be another.
    const { mtimeMs } = stick().files.get(INITRAMFS)!
    stick().files.set(INITRAMFS, { bytes: Buffer.from('an initramfs of somebody else'), mtimeMs })
    const { outcomes, said } = await refused()
    expect(outcomes.at(-1)).toBe('predict: unvouched')
    expect(said).toMatch(/✖ \/initramfs-/)
  })

  it('for a stick whose initramfs was changed since this program made it', async () => {
    await run(refreshDevice)
    stick().files.set(INITRAMFS, { bytes: Buffer.from('070701 evil'), mtimeMs: machine.nowMs })
    expect((await refused()).outcomes.at(-1)).toBe('predict: unvouched')
  })

  it.each([
    ['Xen', 'console=none', 'console=none ept=no-exec-sp'],
    ['the kernel', 'rhgb quiet aem.uuid', 'rhgb quiet rd.break aem.uuid'],
  ])('for a stick whose grub.cfg gives %s another command line', async (_what, from, to) => {
    await run(refreshDevice)
    const { files } = stick()
    const text = Buffer.from(files.get('/grub2/grub.cfg')!.bytes).toString()
    expect(text).toContain(from)
    files.set('/grub2/grub.cfg', { bytes: Buffer.from(text.replaceAll(from, to)), mtimeMs: 0 })
    const { outcomes, said } = await refused()
    expect(outcomes.at(-1)).toBe('predict: unvouched')
    expect(said).toMatch(
      /the command line of \/\S+ is not the one this boot used, and dom0's own grub2-mkconfig does not write it: \+ \S+ why/,
    )
  })

  it('for a stick with another SINIT', async () => {
    await run(refreshDevice)
    stick().files.set('/SINIT.BIN', { bytes: makeSinit('another module'), mtimeMs: 0 })
    expect((await refused()).outcomes.at(-1)).toBe('predict: sinit-changed')
  })

  it('for a stick with a Xen that is not installed', async () => {
    await run(refreshDevice)
    stick().files.set(`/${XEN_IMAGE}`, { bytes: Buffer.from('another'), mtimeMs: 0 })
    const { outcomes, said } = await refused()
    expect(outcomes).toEqual(['check-ground: vouched', 'check-device: blocked'])
    expect(said).toMatch(/devices refresh aem\.stick/)
  })

  it('where another update waits for its restart: that state was not approved', async () => {
    installXen(machine, `${NEW_XEN.slice(0, -1)}5`, machine.nowMs)
    await run(refreshDevice)
    const { outcomes, said } = await refused()
    expect(outcomes.at(-1)).toBe('gate-forward-seal: blocked')
    expect(said).toMatch(/its next boot would have another PCR 18 than was approved/)
  })

  it('in a boot that is not in the approved state', async () => {
    await run(refreshDevice)
    machine.luksHeader = Buffer.from('another header')
    bootFrom(INTERNAL.uuid)
    const stopped = await refused({ 'ground-go-on': 'no' })
    expect(stopped.outcomes).toEqual(['check-ground: boot-not-vouched'])
    expect(stopped.said).toMatch(/PCR 13 is not as in the state approved at/)
    const { outcomes, said } = await refused({ 'ground-go-on': 'yes' })
    expect(outcomes).toEqual(['check-ground: gone-on', 'check-device: blocked'])
    expect(said).toMatch(/PCR 13 of this boot is not as it was approved/)
  })

  it('where no state was ever approved', async () => {
    machine.dom0.delete(`${DEFAULT_STATE_DIR}/devices.json`)
    expect((await refused({ 'ground-go-on': 'no' })).outcomes).toEqual(['check-ground: boot-not-vouched'])
    const { outcomes, said } = await refused({ 'ground-go-on': 'yes' })
    expect(outcomes).toEqual(['check-ground: gone-on', 'check-device: blocked'])
    expect(said).toMatch(/no state was approved yet/)
  })

  it('for another stick with the same label', async () => {
    await run(refreshDevice)
    const path = `${DEFAULT_STATE_DIR}/devices.json`
    const text = Buffer.from(machine.dom0.get(path)!.bytes).toString()
    machine.dom0.set(path, {
      bytes: Buffer.from(text.replaceAll(STICK.uuid, '11111111-2222-4333-8444-555555555555')),
      mtimeMs: 0,
    })
    const { outcomes, said } = await refused()
    expect(outcomes.at(-1)).toBe('gate-forward-seal: blocked')
    expect(said).toMatch(/this is another device labelled aem\.stick/)
  })

  it('for the device of this boot, which `start` is for', async () => {
    const { result, said } = await run(forwardDevice, (host) => host, 'aem')
    expect(outcomesOf(result)).toEqual(['check-ground: vouched', 'check-device: blocked'])
    expect(said).toMatch(/this boot came from it/)
  })

  it('for a stick that is not there', async () => {
    stick().isPresent = false
    expect((await refused()).outcomes).toEqual(['check-ground: vouched', 'check-device: blocked'])
  })
})

it('keeps the session for `cancel` where a failed seal could not be taken back', async () => {
  await run(refreshDevice)
  let exchanges = 0
  const { result, store } = await run(forwardDevice, (host) => ({
    ...host,
    async run(call, input) {
      // The second switch fails, and so does the way back.
      if (call.id === 'exchange-directories' && ++exchanges > 1)
        return { state: 'seen', value: { exit: 1, stdout: '', stderr: 'Input/output error' } }
      return host.run(call, input)
    },
  }))
  expect(outcomesOf(result).at(-1)).toBe('forward-seal: failed')
  expect((await store.load())?.findings['forward-seal']).toMatchObject({ takenBack: false })
})
