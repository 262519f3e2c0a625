import { describe, expect, it } from 'vitest'
import { clearUnfinished } from '../../src/act/forward-seal/clear.ts'
import { isForwardKept, restoreSession } from '../../src/act/forward-seal/restore.ts'
import { sealForward, takeBack } from '../../src/act/forward-seal/seal.ts'
import { makeMemoryStore } from '../../src/act/memory-store.ts'
import { Failure } from '../../src/core/failure.ts'
import type { Session } from '../../src/core/session/checkpoint.ts'
import { forwardSeal } from '../../src/flow/steps/forward-seal.ts'
import { ABSENT, type Host, seen, unknown } from '../../src/host/host.ts'
import { STICK } from '../../src/host/simulated/build.ts'
import { makeSimulatedHost } from '../../src/host/simulated/host.ts'
import { type SimMachine, TPM_ID } from '../../src/host/simulated/model.ts'
import { describeClearedForward } from '../../src/messages/forward-seal.ts'
import { observeDom0 } from '../../src/observe/dom0/dom0.ts'
import { aSession, machineOf, RUN_OPTIONS } from '../support/built-in.ts'
import { makeScriptedUi } from '../support/scripted-ui.ts'
import { planForStick } from '../support/stick-plan.ts'
import { withLook } from '../support/with-look.ts'

/* A forward seal of the built-in machine's stick, and every way back from it. */

const LABEL = 'aem.stick'

function stickOf(machine: SimMachine) {
  return machine.devices.find(({ uuid }) => uuid === STICK.uuid)!
}

/** The sealed files of the stick in both homes; `directory` is the live one or the one beside. */
function filesIn(machine: SimMachine, directory: string): { dom0: string[]; device: string[] } {
  const listed = (files: Map<string, { bytes: Uint8Array }>) =>
    [...files]
      .filter(([path]) => path.includes(`/tpms/${TPM_ID}/${directory}/`))
      .map(([path, { bytes }]) => `${path.split('/').at(-1)} ${Buffer.from(bytes).toString('hex')}`)
      .sort()
  return { dom0: listed(machine.dom0), device: listed(stickOf(machine).files) }
}

const live = (machine: SimMachine) => filesIn(machine, LABEL)
const aside = (machine: SimMachine) => filesIn(machine, `aem-reseal_${LABEL}`)

function dropAside(files: Map<string, unknown>): void {
  for (const path of [...files.keys()]) if (path.includes(`/aem-reseal_${LABEL}/`)) files.delete(path)
}

/** A seal to values that no boot had yet, or to those of this one. */
async function begin(story: { isPresentState?: boolean; change?: (own: Host) => Partial<Host> } = {}) {
  const machine = machineOf('two-devices')
  const own = makeSimulatedHost(machine)
  const host: Host = { ...own, ...story.change?.(own) }
  const ui = makeScriptedUi({ '*': 'yes' })
  const store = makeMemoryStore(ui)
  const session = aSession({ device: LABEL, step: 'forward-seal', flow: 'forward-device' })
  const context = { host, ui, store, options: RUN_OPTIONS, session, simulateRestart: null }
  const plan = await planForStick(host, machine, story.isPresentState ? {} : { 18: '18'.repeat(32) })
  return { machine, context, plan, store, before: live(machine) }
}

async function sealed(story: { isPresentState?: boolean } = {}) {
  const all = await begin(story)
  await sealForward(withLook(all.context), all.plan)
  const after = live(all.machine)
  expect(after).not.toEqual(all.before)
  expect(aside(all.machine)).toEqual(all.before)
  return { ...all, after, session: (await all.store.load())! }
}

const cancel = (machine: SimMachine, session: Session) =>
  restoreSession(observeDom0(makeSimulatedHost(machine)), session)

describe('the step that runs again after it was cut', () => {
  it('makes nothing anew while the device is out, and keeps the record of what lies on it', async () => {
    const { machine, context, session, after } = await sealed()
    const stick = machine.devices.find(({ uuid }) => uuid === STICK.uuid)!
    stick.isPresent = false
    const again = await forwardSeal(withLook({ ...context, session }))
    expect(again).toMatchObject({
      outcome: 'failed',
      facts: { takenBack: false, record: session.findings['forward-seal']?.record },
    })
    expect(again.message?.what).not.toContain('as they were before')
    stick.isPresent = true
    expect(live(machine)).toEqual(after)
    expect(await cancel(machine, session)).toMatchObject({ device: 'restored', dom0: 'restored' })
  })

  it.each([
    ['on the device', 'device'],
    ['in dom0', 'dom0'],
  ] as const)('makes nothing anew where a file %s cannot be read, and keeps the record', async (_, home) => {
    const { machine, context, session } = await sealed()
    const { host } = context
    const isOwn = (path: string) => path.endsWith(`/tpms/${TPM_ID}/${LABEL}/key.pub`)
    const look: Host = {
      ...host,
      digestFile: async (path) =>
        isOwn(path) && path.startsWith('/var/lib/') === (home === 'dom0')
          ? unknown('I/O error')
          : host.digestFile(path),
    }
    const again = await forwardSeal(withLook({ ...context, host: look, session }))
    expect(again).toMatchObject({ outcome: 'failed', facts: { takenBack: false } })
    expect(aside(machine)[home]).not.toEqual([])
  })
})

describe('a forward seal that failed on the way', () => {
  /** An exchange that fails once, at its nth call. */
  const failsAt = (nth: number) => (own: Host) => {
    let exchanges = 0
    const run: Host['run'] = async (call, input) => {
      if (call.id === 'exchange-directories' && ++exchanges === nth)
        return seen({ exit: 1, stdout: '', stderr: 'Input/output error' })
      return own.run(call, input)
    }
    return { run }
  }

  it.each([
    ['before dom0 was switched', 1],
    ['between dom0 and the device', 2],
  ])('%s is taken back, and leaves no record', async (_when, nth) => {
    const { machine, context, plan, before } = await begin({ change: failsAt(nth) })
    await expect(sealForward(withLook(context), plan)).rejects.toBeInstanceOf(Failure)
    expect(await takeBack(withLook(context), plan)).toBeNull()
    expect(live(machine)).toEqual(before)
    expect(aside(machine)).toEqual({ dom0: [], device: [] })
  })

  it.each([
    ["dom0's", (path: string) => path.startsWith('/var/lib/')],
    ["the device's", (path: string) => !path.startsWith('/var/lib/')],
  ])('and could not read %s old files, which it would have to put back, changes nothing', async (_, isIn) => {
    const change = (own: Host): Partial<Host> => ({
      listDirectory: async (path) =>
        isIn(path) && path.endsWith(`/tpms/${TPM_ID}/${LABEL}`)
          ? unknown('I/O error')
          : own.listDirectory(path),
    })
    const { machine, context, plan, store, before } = await begin({ change })
    const error = await sealForward(withLook(context), plan).catch((reason: unknown) => reason)
    expect(error).toBeInstanceOf(Failure)
    expect((error as Failure).text.what).toContain('the present sealed files could not be read')
    expect([live(machine), aside(machine)]).toEqual([before, { dom0: [], device: [] }])
    expect(await store.load()).toBeNull()
  })

  it('before its record was written leaves the files as they were, and nothing beside them', async () => {
    const change = (own: Host): Partial<Host> => ({
      run: async (call, input) =>
        call.id === 'sync-filesystem'
          ? seen({ exit: 1, stdout: '', stderr: 'Input/output error' })
          : own.run(call, input),
    })
    const { machine, context, plan, store, before } = await begin({ change })
    await expect(sealForward(withLook(context), plan)).rejects.toBeInstanceOf(Failure)
    expect([aside(machine).dom0.length, await store.load()]).toEqual([expect.any(Number), null])
    expect(aside(machine).dom0).not.toEqual([])
    expect(await takeBack(withLook(context), plan)).toBeNull()
    expect(live(machine)).toEqual(before)
    expect(aside(machine)).toEqual({ dom0: [], device: [] })
  })

  it('after both were switched is taken back too', async () => {
    const { machine, context, plan, before } = await sealed()
    expect(await takeBack(withLook(context), plan)).toBeNull()
    expect(live(machine)).toEqual(before)
  })

  it('keeps its record where the device is gone: nothing was taken back', async () => {
    const { machine, context, plan, after } = await sealed()
    stickOf(machine).isPresent = false
    expect(await takeBack(withLook(context), plan)).toMatchObject({ label: LABEL, uuid: STICK.uuid })
    expect(live(machine)).toEqual(after)
  })

  it.each([
    ['the device', (machine: SimMachine) => dropAside(stickOf(machine).files)],
    ['dom0', (machine: SimMachine) => dropAside(machine.dom0)],
  ])('keeps its record where the old files are gone from %s', async (_where, drop) => {
    const { machine, context, plan } = await sealed()
    drop(machine)
    expect(await takeBack(withLook(context), plan)).toMatchObject({ label: LABEL })
  })
})

describe('`cancel` after a forward seal', () => {
  it('puts the old files back', async () => {
    const { machine, session, before } = await sealed()
    expect(await cancel(machine, session)).toEqual({ device: 'restored', dom0: 'restored' })
    expect(live(machine)).toEqual(before)
    expect(aside(machine)).toEqual({ dom0: [], device: [] })
  })

  it('switches to nothing but the old files: with others beside it changes nothing', async () => {
    const { machine, session, after } = await sealed()
    const path = `/aem/tpms/${TPM_ID}/aem-reseal_${LABEL}/key.pub`
    const old = stickOf(machine).files.get(path)!
    stickOf(machine).files.set(path, { ...old, bytes: Buffer.from('somebody else wrote this') })
    await expect(cancel(machine, session)).rejects.toThrow('the old ones are not beside the new ones')
    expect(live(machine).device).toEqual(after.device)
    expect(aside(machine).device).not.toEqual([])
  })

  it('leaves it in place where the predicted state runs', async () => {
    const { machine, session, after } = await sealed({ isPresentState: true })
    expect(await cancel(machine, session)).toEqual({ device: 'superseded', dom0: 'superseded' })
    expect(live(machine)).toEqual(after)
    expect(aside(machine)).toEqual({ dom0: [], device: [] })
  })

  it('leaves it in place where it is complete and of another device', async () => {
    const { machine, session, after } = await sealed()
    const kept = await cancel(machine, { ...session, step: 'keep-forward' })
    expect(kept).toEqual({ device: 'superseded', dom0: 'superseded' })
    expect(live(machine)).toEqual(after)
  })

  it('fails where the device is not plugged in and carries it', async () => {
    const { machine, session, after } = await sealed()
    stickOf(machine).isPresent = false
    await expect(cancel(machine, session)).rejects.toThrow(`${LABEL} is not plugged in and carries it`)
    expect(live(machine)).toEqual(after)
    expect(aside(machine).dom0).not.toEqual([])
  })

  it('needs no device where dom0 has its old files', async () => {
    const { machine, session } = await sealed()
    await cancel(machine, session)
    stickOf(machine).isPresent = false
    expect(await cancel(machine, session)).toEqual({ device: 'absent', dom0: 'was-old' })
  })
})

describe('`cancel` after a forward seal that ended before anything was switched', () => {
  async function begun(step: string) {
    const { machine, context, before } = await begin()
    const path = `/var/lib/tpms/${TPM_ID}/aem-reseal_${LABEL}/secret.fre.sealed2`
    machine.dom0.set(path, { bytes: Buffer.from('of a seal that was begun'), mtimeMs: 0 })
    expect(await cancel(machine, { ...context.session, step })).toBeNull()
    expect(live(machine)).toEqual(before)
    return aside(machine).dom0
  }

  it('removes what was begun', async () => {
    expect(await begun('forward-seal')).toEqual([])
  })

  it('touches nothing where the session was not there yet', async () => {
    expect(await begun('predict')).toHaveLength(1)
  })
})

describe('what a forward seal left that did not come to its end', () => {
  /** The machine as power left it at the nth exchange. */
  async function cutAt(nth: number) {
    const all = await begin({
      change: (own) => {
        let exchanges = 0
        const run: Host['run'] = async (call, input) => {
          if (call.id === 'exchange-directories' && ++exchanges === nth) throw new Error('no power')
          return own.run(call, input)
        }
        return { run }
      },
    })
    await expect(sealForward(withLook(all.context), all.plan)).rejects.toThrow('no power')
    return { ...all, session: (await all.store.load())! }
  }

  const clear = (machine: SimMachine, session: Session) =>
    clearUnfinished(observeDom0(makeSimulatedHost(machine)), session)

  it('nothing was switched: the new files are removed in both homes', async () => {
    const { machine, session, before } = await cutAt(1)
    expect(aside(machine).dom0).not.toEqual([])
    expect(aside(machine).device).not.toEqual([])
    expect(await clear(machine, session)).toEqual({ dom0: true, device: true, isInForce: false })
    expect(live(machine)).toEqual(before)
    expect(aside(machine)).toEqual({ dom0: [], device: [] })
  })

  it('dom0 alone was switched: it is made to be as the device again', async () => {
    const { machine, session, before } = await cutAt(2)
    expect(live(machine).dom0).not.toEqual(before.dom0)
    await clear(machine, session)
    expect(live(machine)).toEqual(before)
    expect(aside(machine)).toEqual({ dom0: [], device: [] })
  })

  it('both were switched: it is in force, and `cancel` still finds the old files', async () => {
    const { machine, session, after, before } = await sealed()
    expect(await clear(machine, session)).toEqual({ dom0: false, device: false, isInForce: true })
    expect(live(machine)).toEqual(after)
    expect(aside(machine)).toEqual(before)
  })

  it('no record was written yet: what lies beside is removed all the same', async () => {
    const { machine, session, before } = await cutAt(1)
    const unrecorded = { ...session, findings: {} }
    await clear(machine, unrecorded)
    expect(live(machine)).toEqual(before)
    expect(aside(machine)).toEqual({ dom0: [], device: [] })
  })

  it('the device is not plugged in: dom0 stays as it is where a switch had begun', async () => {
    const { machine, session } = await cutAt(2)
    const dom0 = live(machine).dom0
    stickOf(machine).isPresent = false
    const cleared = await clear(machine, session)
    expect(cleared).toEqual({ dom0: false, device: false, isInForce: null })
    expect(describeClearedForward('cleared', cleared)).toMatchObject({
      tone: 'attention',
      why: 'whether this boot had it is not known',
    })
    expect(live(machine).dom0).toEqual(dom0)
    expect(aside(machine).dom0).not.toEqual([])
  })
})

describe('sealed files in dom0 that are not there to be compared', () => {
  const cancelWith = async (answer: Awaited<ReturnType<Host['listDirectory']>>) => {
    const { machine, session, before } = await sealed()
    const own = makeSimulatedHost(machine)
    const isLive = (path: string): boolean => path === `/var/lib/tpms/${TPM_ID}/${LABEL}`
    const host: Host = {
      ...own,
      listDirectory: async (path) => (isLive(path) ? answer : own.listDirectory(path)),
    }
    const result = await restoreSession(observeDom0(host), session).catch((reason: unknown) => reason)
    return { result, machine, before }
  }

  it('and cannot be read: the old ones stay beside them, and the session stays open', async () => {
    const { result, machine, before } = await cancelWith(unknown('I/O error'))
    expect(result).toBeInstanceOf(Failure)
    expect((result as Failure).text.code).toBe('forward-restore-failed')
    expect(aside(machine).dom0).toEqual(before.dom0)
  })

  it('and are gone: AEM seals again, and nothing is put back', async () => {
    const { result, machine } = await cancelWith(ABSENT)
    expect(result).toMatchObject({ dom0: 'superseded' })
    expect(aside(machine).dom0).toEqual([])
  })
})

it('only the seal of another device outlives its session, once it is kept', () => {
  expect(isForwardKept({ device: LABEL, step: 'keep-forward' })).toBe(true)
  expect(isForwardKept({ device: null, step: 'keep-forward' })).toBe(false)
  expect(isForwardKept({ device: LABEL, step: 'forward-seal' })).toBe(false)
})
