import { beforeEach, describe, expect, it } from 'vitest'
import { decideDeviceWork } from '../../src/core/decide/device-work.ts'
import type { DeviceLedger } from '../../src/core/session/device-ledger.ts'
import { changeOneByte } from '../../src/host/simulated/boot-images.ts'
import { INTERNAL, STICK, XEN_IMAGE } from '../../src/host/simulated/build.ts'
import { makeSimulatedHost } from '../../src/host/simulated/host.ts'
import type { SimMachine } from '../../src/host/simulated/model.ts'
import { restartMachine } from '../../src/host/simulated/power.ts'
import { observeDom0 } from '../../src/observe/dom0/dom0.ts'
import { observeMachine } from '../../src/observe/dom0/machine.ts'
import { observeVerification } from '../../src/observe/verify/verify.ts'
import { DEFAULT_STATE_DIR } from '../../src/tables/paths.ts'
import { machineOf } from '../support/built-in.ts'
import { verifyNow } from '../support/verify-now.ts'

const LEDGER = `${DEFAULT_STATE_DIR}/devices.json`

let machine: SimMachine
beforeEach(() => {
  machine = machineOf('two-devices')
})

function bootFrom(uuid: string): void {
  machine.bootDevice = uuid
  restartMachine(machine)
}

/** `verify` in this boot, as a process of its own; with the approval of a session, or without. */
const verify = (approve = false) => verifyNow(machine, { approve })

function ledger(): DeviceLedger {
  return JSON.parse(Buffer.from(machine.dom0.get(LEDGER)?.bytes ?? '').toString('utf8'))
}

function changeLastByte(bytes: Uint8Array): Uint8Array {
  return Uint8Array.from(bytes, (byte, at) => (at === bytes.length - 1 ? byte ^ 1 : byte))
}

function workOf(label: string) {
  const facts = { label, present: true, bootFiles: 'current' } as const
  return decideDeviceWork({ state: 'read', ledger: ledger() }, facts)
}

describe('the device ledger across boots', () => {
  it('keeps the other device as to do, until it was verified in a boot of its own', async () => {
    bootFrom(INTERNAL.uuid)
    await verify(true)
    expect(workOf('aem')).toEqual({ state: 'done' })
    expect(workOf('aem.stick')).toMatchObject({
      state: 'to-do',
      why: expect.stringContaining('never verified'),
    })
    expect(ledger().devices.find(({ label }) => label === 'aem.stick')?.leftSince).not.toBeNull()
    bootFrom(STICK.uuid)
    await verify()
    expect(workOf('aem.stick')).toEqual({ state: 'done' })
    expect(ledger().devices.find(({ label }) => label === 'aem.stick')).toMatchObject({
      uuid: STICK.uuid,
      leftSince: null,
      verified: { isCurrent: true, bootId: (await observeMachine(makeSimulatedHost(machine))).bootId },
    })
    expect(workOf('aem')).toEqual({ state: 'done' })
  })

  it('does not take a device for done that booted something else, though AEM sealed to it', async () => {
    const stick = machine.devices.find(({ uuid }) => uuid === STICK.uuid)!
    const image = stick.files.get(`/${XEN_IMAGE}`)!
    stick.files.set(`/${XEN_IMAGE}`, { ...image, bytes: changeOneByte(image.bytes) })
    bootFrom(INTERNAL.uuid)
    await verify(true)
    bootFrom(STICK.uuid)
    const results = await observeVerification(observeDom0(makeSimulatedHost(machine)), STICK.suffix)
    expect(results).toMatchObject([{ ok: true }])
    await verify()
    expect(workOf('aem.stick')).toMatchObject({ state: 'to-do' })
  })

  it('does not take a device for done whose files were brought up to date after it was booted', async () => {
    bootFrom(INTERNAL.uuid)
    await verify(true)
    bootFrom(STICK.uuid)
    const stick = machine.devices.find(({ uuid }) => uuid === STICK.uuid)!
    for (const [path, file] of stick.files)
      if (path.startsWith('/initramfs-')) stick.files.set(path, { ...file, mtimeMs: machine.nowMs })
    await verify()
    expect(workOf('aem.stick')).toMatchObject({
      state: 'to-do',
      why: expect.stringContaining('changed after it was booted'),
    })
  })

  it('does not take a device for done by a look from another boot', async () => {
    bootFrom(STICK.uuid)
    bootFrom(INTERNAL.uuid)
    await verify(true)
    expect(ledger().devices.find(({ label }) => label === 'aem.stick')?.verified).toBeNull()
  })

  it('does not take a device for done that would not unseal', async () => {
    bootFrom(INTERNAL.uuid)
    const device = machine.devices.find(({ uuid }) => uuid === INTERNAL.uuid)!
    for (const [path, file] of device.files)
      if (path.endsWith('/secret.txt.sealed2'))
        device.files.set(path, { ...file, bytes: changeLastByte(file.bytes) })
    await verify(true)
    expect(workOf('aem')).toMatchObject({ state: 'to-do', why: expect.stringContaining('never verified') })
  })

  it('keeps a file that is none as it is, and says so', async () => {
    const bytes = Buffer.from('{"format":"something else"}')
    machine.dom0.set(LEDGER, { bytes, mtimeMs: 0 })
    bootFrom(INTERNAL.uuid)
    expect(await verify(true)).toMatchObject({ state: 'foreign' })
    expect(machine.dom0.get(LEDGER)?.bytes).toBe(bytes)
  })
})
