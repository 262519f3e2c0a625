import { describe, expect, it } from 'vitest'
import { clearUnfinished } from '../../src/act/forward-seal/clear.ts'
import { removeLeftovers, restoreSession } from '../../src/act/forward-seal/restore.ts'
import { sealForward, takeBack } from '../../src/act/forward-seal/seal.ts'
import { makeMemoryStore } from '../../src/act/memory-store.ts'
import { Failure } from '../../src/core/failure.ts'
import { forwardRecordOf } from '../../src/core/seal/forward-of-session.ts'
import type { Session } from '../../src/core/session/checkpoint.ts'
import { ABSENT, type Host, seen } from '../../src/host/host.ts'
import { INTERNAL, STICK } from '../../src/host/simulated/build.ts'
import { makeSimulatedHost } from '../../src/host/simulated/host.ts'
import { type SimMachine, TPM_ID } from '../../src/host/simulated/model.ts'
import { observeMountPoint } from '../../src/observe/device/session-device.ts'
import { observeDom0 } from '../../src/observe/dom0/dom0.ts'
import { aSession, machineOf, RUN_OPTIONS } from '../support/built-in.ts'
import { makeScriptedUi } from '../support/scripted-ui.ts'
import { planForStick } from '../support/stick-plan.ts'
import { withLook } from '../support/with-look.ts'

/* Whose files are put away after a forward seal, and what is read again, on the built-in machine's stick. */

const LABEL = 'aem.stick'
const HOMES = { dom0: '/var/lib', device: '/aem' } as const

const stickOf = (machine: SimMachine) => machine.devices.find(({ uuid }) => uuid === STICK.uuid)!

function filesOf(machine: SimMachine, home: keyof typeof HOMES): SimMachine['dom0'] {
  return home === 'dom0' ? machine.dom0 : stickOf(machine).files
}

/** Names of the files in the directory that AEM reads, or beside it. */
function namesIn(machine: SimMachine, home: keyof typeof HOMES, directory: string): readonly string[] {
  const prefix = `${HOMES[home]}/tpms/${TPM_ID}/${directory}/`
  return [...filesOf(machine, home).keys()].filter((path) => path.startsWith(prefix))
}
const beside = (machine: SimMachine, home: keyof typeof HOMES) =>
  namesIn(machine, home, `aem-reseal_${LABEL}`).length

function putBeside(machine: SimMachine, home: keyof typeof HOMES): void {
  const path = `${HOMES[home]}/tpms/${TPM_ID}/aem-reseal_${LABEL}/key.pub`
  filesOf(machine, home).set(path, { bytes: Buffer.from('of a seal that was begun'), mtimeMs: 0 })
}

/** A host that counts the devices which it opened, and those that were closed again. */
function watch(machine: SimMachine, change: (own: Host) => Partial<Host> = () => ({})) {
  const own = makeSimulatedHost(machine)
  const media = { opened: [] as (string | null)[], closed: 0 }
  const host: Host = {
    ...own,
    async openMedia(request) {
      media.opened.push(request.uuid)
      const found = await own.openMedia(request)
      if (found.state !== 'seen') return found
      const close = async () => {
        media.closed += 1
        await found.value.close()
      }
      return seen({ ...found.value, close })
    },
    ...change(own),
  }
  return { host, media }
}

/** dom0 does not say which TPM it is. */
const unnamedTpm = (own: Host): Partial<Host> => ({
  readLink: async (path) => (path === '/var/lib/tpm' ? ABSENT : own.readLink(path)),
})

const exchange = (own: Host, at: (nth: number) => Awaited<ReturnType<Host['run']>> | null): Partial<Host> => {
  let nth = 0
  return {
    async run(call, input) {
      const answer = call.id === 'exchange-directories' ? at(++nth) : null
      return answer ?? own.run(call, input)
    },
  }
}

async function begin(change: (own: Host) => Partial<Host> = () => ({}), isPresentState = false) {
  const machine = machineOf('two-devices')
  const { host, media } = watch(machine, change)
  const ui = makeScriptedUi({ '*': 'yes' })
  const store = makeMemoryStore(ui)
  const session = aSession({ device: LABEL, step: 'forward-seal', flow: 'forward-device' })
  const context = withLook({ host, ui, store, options: RUN_OPTIONS, session, simulateRestart: null })
  const plan = await planForStick(host, machine, isPresentState ? {} : { 18: '18'.repeat(32) })
  media.opened.length = 0
  media.closed = 0
  return { machine, context, plan, store, media }
}

/** The power went before the nth exchange. */
async function cutAt(nth: number) {
  const all = await begin((own) =>
    exchange(own, (at) => {
      if (at === nth) throw new Error('no power')
      return null
    }),
  )
  await expect(sealForward(all.context, all.plan)).rejects.toThrow('no power')
  return { ...all, session: (await all.store.load())! }
}

describe('what a forward seal left that did not come to its end is put away', () => {
  it('of the device in its record, whatever the session is about and whatever the TPM is called now', async () => {
    const { machine, session } = await cutAt(1)
    expect([beside(machine, 'dom0'), beside(machine, 'device')]).toEqual([5, 5])
    const { host, media } = watch(machine, unnamedTpm)
    expect(await clearUnfinished(observeDom0(host), { ...session, device: null })).toEqual({
      dom0: true,
      device: true,
      isInForce: false,
    })
    expect([beside(machine, 'dom0'), beside(machine, 'device')]).toEqual([0, 0])
    expect(media).toEqual({ opened: [STICK.uuid], closed: 1 })
  })

  it('of the device that the session names where nothing was recorded, in the homes where it lies', async () => {
    const machine = machineOf('two-devices')
    putBeside(machine, 'dom0')
    const session = aSession({ device: LABEL })
    const removed: string[] = []
    const { host } = watch(machine, (own) => ({
      async removeFile(path) {
        removed.push(path)
        await own.removeFile(path)
      },
    }))
    const cleared = await clearUnfinished(observeDom0(host), session)
    expect(cleared).toEqual({ dom0: true, device: false, isInForce: false })
    // Nothing is written to a home where nothing lies.
    expect(removed).toEqual([`/var/lib/tpms/${TPM_ID}/aem-reseal_${LABEL}`])
    expect(await clearUnfinished(observeDom0(watch(machine).host), session)).toEqual({
      ...cleared,
      dom0: false,
    })
  })

  it('in dom0 too where the device is out and nothing was recorded: it never began', async () => {
    const machine = machineOf('two-devices')
    putBeside(machine, 'dom0')
    stickOf(machine).isPresent = false
    const clear = async () => {
      const { host, media } = watch(machine)
      return { cleared: await clearUnfinished(observeDom0(host), aSession({ device: LABEL })), media }
    }
    expect(await clear()).toMatchObject({ cleared: { dom0: true, device: false, isInForce: false } })
    expect(beside(machine, 'dom0')).toBe(0)
    expect(await clear()).toMatchObject({ cleared: { dom0: false, device: false, isInForce: false } })
  })

  it('nowhere, and no device is opened, where neither record nor TPM nor device says where it would lie', async () => {
    const unnamed = machineOf('two-devices')
    const { host, media } = watch(unnamed, unnamedTpm)
    const nothing = { dom0: false, device: false, isInForce: false }
    expect(await clearUnfinished(observeDom0(host), aSession({ device: LABEL }))).toEqual(nothing)
    // The kernel's command line names no device, so none is known to have booted.
    const other = watch(machineOf('two-devices'), (own) => ({
      readFile: async (path) => (path === '/proc/cmdline' ? ABSENT : own.readFile(path)),
    }))
    expect(await clearUnfinished(observeDom0(other.host), aSession({ device: null }))).toEqual(nothing)
    expect(await clearUnfinished(observeDom0(other.host), aSession({ device: 'aem.gone' }))).toEqual(nothing)
    expect([media.opened, other.media.opened]).toEqual([[], []])
  })

  it('and dom0 goes back to files that were kept, never to others', async () => {
    const { machine, session } = await cutAt(2)
    const path = `/var/lib/tpms/${TPM_ID}/aem-reseal_${LABEL}/key.pub`
    machine.dom0.set(path, { bytes: Buffer.from('somebody else wrote this'), mtimeMs: 0 })
    const live = namesIn(machine, 'dom0', LABEL).map((name) => machine.dom0.get(name))
    await clearUnfinished(observeDom0(watch(machine).host), session)
    expect(namesIn(machine, 'dom0', LABEL).map((name) => machine.dom0.get(name))).toEqual(live)
    expect(beside(machine, 'dom0')).toBe(0)
  })

  it('and dom0 stays as AEM sealed it since', async () => {
    const { machine, session } = await cutAt(2)
    const path = `/var/lib/tpms/${TPM_ID}/${LABEL}/key.pub`
    machine.dom0.set(path, { bytes: Buffer.from('of a seal since'), mtimeMs: 0 })
    await clearUnfinished(observeDom0(watch(machine).host), session)
    expect(Buffer.from(machine.dom0.get(path)!.bytes).toString()).toBe('of a seal since')
    expect(beside(machine, 'dom0')).toBe(0)
  })
})

describe('the old files', () => {
  it('are removed in dom0 once nobody goes back to them; without a record nothing is', async () => {
    const { machine, context, plan, store } = await begin()
    await sealForward(context, plan)
    const { host } = watch(machine)
    await removeLeftovers(host, null)
    expect(beside(machine, 'dom0')).toBeGreaterThan(0)
    await removeLeftovers(host, forwardRecordOf(await store.load()))
    expect([beside(machine, 'dom0') > 0, beside(machine, 'device') > 0]).toEqual([false, true])
  })

  it('in dom0 are removed where the predicted state runs, though the device is out', async () => {
    const { machine, context, plan, store } = await begin(() => ({}), true)
    await sealForward(context, plan)
    stickOf(machine).isPresent = false
    const { host } = watch(machine)
    expect(await restoreSession(observeDom0(host), (await store.load())!)).toEqual({
      device: 'absent',
      dom0: 'superseded',
    })
    expect(beside(machine, 'dom0')).toBe(0)
  })

  it('are put back on a device that is closed again', async () => {
    const { machine, context, plan, store } = await begin()
    await sealForward(context, plan)
    const { host, media } = watch(machine)
    expect(await restoreSession(observeDom0(host), (await store.load())!)).toEqual({
      device: 'restored',
      dom0: 'restored',
    })
    expect(media.opened.length).toBeGreaterThan(0)
    expect(media.closed).toBe(media.opened.length)
  })

  it('that were begun are removed by `cancel` also where the session went on to another step', async () => {
    const machine = machineOf('two-devices')
    const unfinished: Partial<Session> = { device: LABEL, step: 'restart', protection: 'forward-seal' }
    const left = async (change: Partial<Session>) => {
      putBeside(machine, 'dom0')
      await restoreSession(observeDom0(watch(machine).host), aSession({ ...unfinished, ...change }))
      return beside(machine, 'dom0')
    }
    expect(await left({})).toBe(0)
    expect(await left({ protection: null })).toBe(1)
  })

  it('are looked for where the device is mounted now', async () => {
    const { host } = watch(machineOf('two-devices'))
    expect(await observeMountPoint(observeDom0(host), INTERNAL.uuid)).toBe('/boot')
    expect(await observeMountPoint(observeDom0(host), STICK.uuid)).toBeNull()
    expect(await observeMountPoint(observeDom0(host), '00000000-0000-4000-8000-000000000000')).toBeNull()
  })
})

describe('a forward seal', () => {
  it('closes the device each time, and reads it once more at the end', async () => {
    const { context, plan, media } = await begin()
    await sealForward(context, plan)
    expect(media).toEqual({ opened: [STICK.uuid, STICK.uuid], closed: 2 })
  })

  it.each(['/var/lib/tpms', '/aem/tpms'])('is none where %s then holds something else', async (home) => {
    let isSwitched = 0
    const { context, plan } = await begin((own) => ({
      ...exchange(own, () => {
        isSwitched += 1
        return null
      }),
      async digestFile(path) {
        const found = await own.digestFile(path)
        const isIn = path.includes(`${home}/${TPM_ID}/${LABEL}/`)
        return isSwitched === 2 && isIn && found.state === 'seen'
          ? seen({ ...found.value, sha256: '00'.repeat(32) })
          : found
      },
    }))
    const error = await sealForward(context, plan).catch((reason: unknown) => reason)
    expect(error).toBeInstanceOf(Failure)
    expect((error as Failure).text.what).toContain('does not hold what was written')
  })

  it('is none on a device that cannot be opened, and there is nothing to take back', async () => {
    const { machine, context, plan } = await begin()
    stickOf(machine).isPresent = false
    const error = await sealForward(context, plan).catch((reason: unknown) => reason)
    expect(error).toBeInstanceOf(Failure)
    expect((error as Failure).text.what).toContain(`the device ${LABEL} could not be opened`)
    expect(await takeBack(context, plan)).toBeNull()
  })

  it('that cannot be taken back keeps its record; what is no failure of the machine is not hidden', async () => {
    const { machine, context, plan } = await begin()
    await sealForward(context, plan)
    const failing = (answer: () => Awaited<ReturnType<Host['run']>>) => ({
      ...context,
      host: watch(machine, (own) => exchange(own, answer)).host,
    })
    const refused = failing(() => seen({ exit: 1, stdout: '', stderr: 'Input/output error' }))
    expect(await takeBack(refused, plan)).toMatchObject({ label: LABEL, uuid: STICK.uuid })
    const broken = failing(() => {
      throw new TypeError('a fault of the program')
    })
    await expect(takeBack(broken, plan)).rejects.toThrow('a fault of the program')
  })

  it('that was switched in dom0 alone is taken back in full', async () => {
    const { machine, context, plan, store } = await begin((own) =>
      exchange(own, (nth) => (nth === 2 ? seen({ exit: 1, stdout: '', stderr: '' }) : null)),
    )
    await expect(sealForward(context, plan)).rejects.toBeInstanceOf(Failure)
    expect(await store.load()).not.toBeNull()
    expect(await takeBack(context, plan)).toBeNull()
    expect([beside(machine, 'dom0'), beside(machine, 'device')]).toEqual([0, 0])
  })
})
