import { expect, it } from 'vitest'
import { refreshDevice } from '../../flows/devices.ts'
import { makeDirectoryStore } from '../../src/act/session-store.ts'
import { startSession } from '../../src/core/session/checkpoint.ts'
import { runFlow } from '../../src/flow/runner.ts'
import { STEPS } from '../../src/flow/steps.ts'
import { INTERNAL, STICK } from '../../src/host/simulated/build.ts'
import { makeSimulatedHost } from '../../src/host/simulated/host.ts'
import { findDevice, type SimMachine } from '../../src/host/simulated/model.ts'
import { restartMachine } from '../../src/host/simulated/power.ts'
import { findBootedDevice, observeDevices } from '../../src/observe/device/devices.ts'
import { observeChangedLines } from '../../src/observe/device/entry-lines.ts'
import { observeDom0 } from '../../src/observe/dom0/dom0.ts'
import { observeMachine } from '../../src/observe/dom0/machine.ts'
import { DEFAULT_STATE_DIR } from '../../src/tables/paths.ts'
import { editLines, GRUB_CFG } from '../support/attack.ts'
import { machineOf, outcomesOf, RUN_OPTIONS, SESSION_ID } from '../support/built-in.ts'
import { makeScriptedUi } from '../support/scripted-ui.ts'

/*
 * Words that somebody put into the grub.cfg of a stick whose files are all current: it has a good AEM entry, and only what
 * this boot says of its own lines tells that they are nobody's.
 */

const textOf = (machine: SimMachine): string =>
  Buffer.from(findDevice(machine, STICK.uuid)!.files.get(GRUB_CFG)!.bytes).toString('utf8')

async function refresh(machine: SimMachine, answer: 'yes' | 'no') {
  const host = makeSimulatedHost(machine)
  const ui = makeScriptedUi({ 'refresh-device': answer })
  const store = makeDirectoryStore(host, DEFAULT_STATE_DIR)
  const now = host.now()
  const session = startSession({
    id: SESSION_ID,
    now,
    bootId: 'b',
    flow: 'refresh-device',
    device: 'aem.stick',
  })
  const context = { host, ui, store, options: RUN_OPTIONS, session, simulateRestart: null }
  const result = await runFlow(refreshDevice, refreshDevice.start, STEPS, context)
  return { outcomes: outcomesOf(result), said: ui.said.join(' ').replaceAll(/\s+/g, ' ') }
}

it.each([
  ["a word on Xen's line", /^\/xen-/, 'iommu=no'],
  ["a word for the kernel behind ` -- ` on Xen's line", /^\/xen-/, '-- init=/bin/sh'],
  ["a word on the kernel's line", /^\/vmlinuz-/, 'init=/bin/sh'],
  ["a word on tboot's line", /^\/tboot/, 'min_ram=0x2000000'],
])('%s: grub.cfg is made again by dom0, or left, and never called current', async (_what, file, words) => {
  const machine = machineOf('two-devices')
  machine.bootDevice = INTERNAL.uuid
  restartMachine(machine)
  await refresh(machine, 'yes')
  expect((await refresh(machine, 'yes')).outcomes).toEqual(['check-refresh: current'])
  const honest = textOf(machine)
  editLines(machine, STICK.uuid, file, (line) => `${line} ${words}`)
  const attacked = textOf(machine)
  const kept = await refresh(machine, 'no')
  expect(kept.outcomes).toEqual(['check-refresh: kept'])
  expect(kept.said).toMatch(new RegExp(`[+] ${words.split(' ').at(-1)}`))
  expect(textOf(machine)).toBe(attacked)
  const { outcomes } = await refresh(machine, 'yes')
  expect(outcomes).toEqual(['check-refresh: refresh', 'refresh-device: refreshed'])
  expect(textOf(machine)).toBe(honest)
})

it('a stick that would boot an entry without AEM is not compared with this boot: it is told as that', async () => {
  const machine = machineOf('two-devices')
  const host = makeSimulatedHost(machine)
  const facts = await observeMachine(host)
  const devices = await observeDevices(host, facts)
  const stick = devices.find(({ label }) => label === 'aem.stick')!
  const changed = () =>
    observeChangedLines(observeDom0(host), stick, findBootedDevice(devices, facts.aemUuid), facts)
  editLines(machine, STICK.uuid, /^\/vmlinuz-/, (line) => `${line} init=/bin/sh`)
  expect((await changed()).join()).toContain('+ init=/bin/sh')
  const file = findDevice(machine, STICK.uuid)!.files.get(GRUB_CFG)!
  const text = Buffer.from(file.bytes).toString('latin1')
  const plain = text.replaceAll(/\n\s*(multiboot2?|module2?)\s[^\n]*(tboot|SINIT)[^\n]*/gi, '')
  findDevice(machine, STICK.uuid)!.files.set(GRUB_CFG, { ...file, bytes: Buffer.from(plain, 'latin1') })
  expect(await changed()).toEqual(["the entry that boots next is none of AEM's"])
})

it('the line of a stick names its own device, which is no difference where the booted one is known', async () => {
  const machine = machineOf('two-devices')
  machine.bootDevice = INTERNAL.uuid
  restartMachine(machine)
  await refresh(machine, 'yes')
  const host = makeSimulatedHost(machine)
  const facts = await observeMachine(host)
  const devices = await observeDevices(host, facts)
  const stick = devices.find(({ label }) => label === 'aem.stick')!
  const booted = findBootedDevice(devices, facts.aemUuid)
  expect(await observeChangedLines(observeDom0(host), stick, booted, facts)).toEqual([])
  expect((await observeChangedLines(observeDom0(host), stick, null, facts)).join()).toContain(
    `+ aem.uuid=${STICK.uuid}`,
  )
})
