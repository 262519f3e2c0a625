import { beforeEach, expect, it } from 'vitest'
import { forwardDevice, refreshDevice } from '../../flows/devices.ts'
import { makeDirectoryStore } from '../../src/act/session-store.ts'
import { startSession } from '../../src/core/session/checkpoint.ts'
import { runFlow } from '../../src/flow/runner.ts'
import { STEPS } from '../../src/flow/steps.ts'
import type { Flow } from '../../src/flow/types.ts'
import { makeKernelImage } from '../../src/host/simulated/boot-images.ts'
import { INTERNAL, STICK } from '../../src/host/simulated/build.ts'
import { makeSimulatedHost } from '../../src/host/simulated/host.ts'
import {
  bootFilesOf,
  findDevice,
  KERNEL_RELEASE,
  type SimMachine,
  sha256,
} from '../../src/host/simulated/model.ts'
import { restartMachine } from '../../src/host/simulated/power.ts'
import { observeMachine } from '../../src/observe/dom0/machine.ts'
import { DEFAULT_STATE_DIR } from '../../src/tables/paths.ts'
import { machineOf, outcomesOf, RUN_OPTIONS, SESSION_ID } from '../support/built-in.ts'
import { makeScriptedUi } from '../support/scripted-ui.ts'
import { verifyNow } from '../support/verify-now.ts'

/** Who has the devices in hand, and not dom0, must not get a forward seal for what nobody approved. */

const OLD_KERNEL = '6.6.30-1.qubes.fc37.x86_64'
const GRUB = '/grub2/grub.cfg'
const INITRAMFS = `/initramfs-${KERNEL_RELEASE}.img`

let machine: SimMachine
beforeEach(async () => {
  machine = machineOf('two-devices')
  boot(INTERNAL.uuid)
  await verify(true)
})

function boot(uuid: string): void {
  machine.bootDevice = uuid
  restartMachine(machine)
}

const verify = (approve: boolean) => verifyNow(machine, { approve })

async function run(flow: Flow, device = 'aem.stick', goesOn = 'no') {
  const host = makeSimulatedHost(machine)
  const ui = makeScriptedUi({ 'refresh-device': 'yes', 'ground-go-on': goesOn })
  const store = makeDirectoryStore(host, DEFAULT_STATE_DIR)
  const { bootId } = await observeMachine(host)
  const session = startSession({ id: SESSION_ID, now: host.now(), bootId, flow: flow.id, device })
  const context = { host, ui, store, options: RUN_OPTIONS, session, simulateRestart: null }
  const result = await runFlow(flow, flow.start, STEPS, context)
  return { outcomes: outcomesOf(result), exit: result.exit, said: ui.said.join(' ').replaceAll(/\s+/g, ' ') }
}

function filesOf(uuid: string) {
  return findDevice(machine, uuid)!.files
}

function put(uuid: string, path: string, bytes: Uint8Array): void {
  filesOf(uuid).set(path, { bytes, mtimeMs: machine.nowMs })
}

function textOf(uuid: string, path: string): string {
  return Buffer.from(filesOf(uuid).get(path)!.bytes).toString()
}

it('for an older installed kernel that the grub.cfg of the stick starts', async () => {
  const image = makeKernelImage(OLD_KERNEL)
  const kernel = machine.packages.find(({ name }) => name === 'kernel')!
  machine.packages.push({
    ...kernel,
    evr: '1000:6.6.30-1.qubes.fc37',
    installedAtMs: kernel.installedAtMs - 1000,
    files: new Map([[`/boot/vmlinuz-${OLD_KERNEL}`, sha256(image)]]),
  })
  bootFilesOf(machine).set(`vmlinuz-${OLD_KERNEL}`, { bytes: image, mtimeMs: 0 })
  machine.dom0.set(`/lib/modules/${OLD_KERNEL}/modules.dep`, { bytes: Buffer.alloc(0), mtimeMs: 0 })
  await run(refreshDevice)
  const text = textOf(STICK.uuid, GRUB)
  const entry = /menuentry 'AEM [\s\S]*?\n\}/.exec(text)![0].replace(/'AEM [^']*'/, "'Old'")
  const custom = `${entry.replaceAll(KERNEL_RELEASE, OLD_KERNEL)}\nset default="Old"\n`
  put(STICK.uuid, '/grub2/custom.cfg', Buffer.from(custom))
  const { outcomes, exit, said } = await run(forwardDevice)
  expect(outcomes.at(-1)).toBe('predict: unvouched')
  expect(said).toMatch(
    /vmlinuz-6\.6\.30-1\.qubes\.fc37\.x86_64: kernel 1000:6\.6\.30-1\.qubes\.fc37 is older than/,
  )
  expect(exit).toBe(1)
})

it('from a boot whose own initramfs is not the approved one, where the stick has the same', async () => {
  await run(refreshDevice)
  for (const uuid of [INTERNAL.uuid, STICK.uuid])
    put(uuid, INITRAMFS, Buffer.from('an initramfs of somebody else'))
  boot(INTERNAL.uuid)
  const stopped = await run(forwardDevice)
  expect(stopped.outcomes).toEqual(['check-ground: boot-not-vouched'])
  expect(stopped.said).toMatch(/PCR 19 is not as in the state approved at/)
  expect(stopped.exit).toBe(1)
  // Who goes on all the same is stopped by what the device is compared with.
  const { outcomes, exit, said } = await run(forwardDevice, 'aem.stick', 'yes')
  expect(outcomes).toEqual(['check-ground: gone-on', 'check-device: blocked'])
  expect(said).toMatch(/PCR 19 of this boot is not as it was approved/)
  expect(exit).toBe(1)
})

it('from a boot whose command line is not the approved one, where the stick has the same', async () => {
  await run(refreshDevice)
  for (const uuid of [INTERNAL.uuid, STICK.uuid]) {
    const text = textOf(uuid, GRUB)
    put(uuid, GRUB, Buffer.from(text.replaceAll('rhgb quiet', 'rhgb quiet rd.break')))
  }
  boot(INTERNAL.uuid)
  const stopped = await run(forwardDevice)
  expect(stopped.outcomes).toEqual(['check-ground: boot-not-vouched'])
  expect(stopped.said).toMatch(/PCR 19 is not as in the state approved at/)
  expect(stopped.exit).toBe(1)
  // Who goes on all the same is stopped by what the device is compared with.
  const { outcomes, exit, said } = await run(forwardDevice, 'aem.stick', 'yes')
  expect(outcomes).toEqual(['check-ground: gone-on', 'check-device: blocked'])
  expect(said).toMatch(/PCR 19 of this boot is not as it was approved/)
  expect(exit).toBe(1)
})

it('with an initramfs that was only ever measured in a boot without the secret', async () => {
  await run(refreshDevice)
  await run(forwardDevice)
  boot(STICK.uuid)
  await verify(false)
  put(INTERNAL.uuid, INITRAMFS, Buffer.from('an initramfs of somebody else'))
  // No secret, but somebody typed the passphrase all the same: AEM seals to it by itself, and then all of it verifies.
  boot(INTERNAL.uuid)
  await verify(false)
  boot(STICK.uuid)
  expect((await run(forwardDevice, 'aem')).outcomes).toEqual(['check-ground: boot-not-vouched'])
  const { outcomes, exit } = await run(forwardDevice, 'aem', 'yes')
  expect(outcomes.at(-1)).toBe('predict: unvouched')
  expect(exit).toBe(1)
})
