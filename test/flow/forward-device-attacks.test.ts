import { beforeEach, expect, it } from 'vitest'
import { forwardDevice, refreshDevice } from '../../flows/devices.ts'
import { makeDirectoryStore } from '../../src/act/session-store.ts'
import { startSession } from '../../src/core/session/checkpoint.ts'
import { findLedgerDevice } from '../../src/core/session/device-ledger.ts'
import { runFlow } from '../../src/flow/runner.ts'
import { STEPS } from '../../src/flow/steps.ts'
import type { Flow } from '../../src/flow/types.ts'
import { makeKernelImage } from '../../src/host/simulated/boot-images.ts'
import { INTERNAL, installInitramfsInput, STICK } from '../../src/host/simulated/build.ts'
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
import { ANSWERS } from '../support/answers.ts'
import { isSecretShown, loadLedger } from '../support/approved-machine.ts'
import { machineOf, outcomesOf, RUN_OPTIONS, SESSION_ID } from '../support/built-in.ts'
import { runMain } from '../support/io.ts'
import { makeScriptedUi } from '../support/scripted-ui.ts'
import { verifyNow } from '../support/verify-now.ts'

/** Who has the devices in hand, and not dom0, must not get a forward seal for what nobody approved. */

const OLD_KERNEL = '6.6.30-1.qubes.fc37.x86_64'
const HOUR_MS = 3600 * 1000
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
  const ui = makeScriptedUi({
    'refresh-device': 'yes',
    'ground-go-on': goesOn,
    'replace-initramfs': 'no',
  })
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

/* What AEM seals by itself to an evil boot shows the secret at the next one, and every check of `verify` is true there. */

const EVIL_IMAGE = Buffer.from('an initramfs of somebody else')

function editLines(uuid: string, from: string, to: string): void {
  const text = textOf(uuid, GRUB)
  expect(text).toContain(from)
  put(uuid, GRUB, Buffer.from(text.replaceAll(from, to)))
}

const evilInit = (uuid: string): void =>
  editLines(uuid, 'rhgb quiet aem.uuid', 'rhgb quiet init=/evil aem.uuid')

/** Booted blind and sealed by AEM, then shown; verified each time. */
async function bootTwice(uuid: string): Promise<void> {
  for (const isShown of [false, true]) {
    boot(uuid)
    expect(isSecretShown(machine)).toBe(isShown)
    await verify(false)
  }
}

it('for what a stick was sealed forward to, forgotten in the boot that the TPM refused', async () => {
  await run(refreshDevice)
  expect((await run(forwardDevice)).outcomes).toContain('forward-seal: sealed')
  for (const uuid of [INTERNAL.uuid, STICK.uuid]) evilInit(uuid)
  await bootTwice(STICK.uuid)
  const { outcomes, said } = await run(forwardDevice, 'aem')
  expect(outcomes).toEqual(['check-ground: boot-not-vouched'])
  expect(said).toContain('PCR 19')
})

it('from a stick of which no boot was approved, with the same evil initramfs on both', async () => {
  await run(refreshDevice)
  for (const uuid of [INTERNAL.uuid, STICK.uuid]) put(uuid, INITRAMFS, EVIL_IMAGE)
  await bootTwice(STICK.uuid)
  const { outcomes, said } = await run(forwardDevice, 'aem')
  expect(outcomes.at(-1)).toBe('check-ground: boot-not-vouched')
  expect(said).toContain('no boot from this device was approved')
})

it('for an initramfs that a boot showed of which nothing was approved', async () => {
  await run(refreshDevice)
  put(STICK.uuid, INITRAMFS, EVIL_IMAGE)
  await bootTwice(STICK.uuid)
  boot(INTERNAL.uuid)
  boot(INTERNAL.uuid)
  await verify(false)
  const { outcomes, said } = await run(forwardDevice)
  expect(outcomes).not.toContain('forward-seal: sealed')
  expect(said).toContain(INITRAMFS)
  const { knownFiles } = findLedgerDevice(await loadLedger(machine), 'aem.stick')
  expect(knownFiles.map((one) => one.sha256)).not.toContain(sha256(EVIL_IMAGE))
})

it('for an old initramfs that this program made once, its date set forward', async () => {
  await run(refreshDevice)
  const old = filesOf(STICK.uuid).get(INITRAMFS)!
  machine.nowMs += HOUR_MS
  installInitramfsInput(machine, 'microcode_ctl', '2:2.1-58.qubes1.fc37')
  machine.nowMs += HOUR_MS
  boot(INTERNAL.uuid)
  await verify(true)
  filesOf(STICK.uuid).set(INITRAMFS, { bytes: old.bytes, mtimeMs: machine.nowMs + 24 * HOUR_MS })
  await run(refreshDevice)
  filesOf(STICK.uuid).set(INITRAMFS, { bytes: old.bytes, mtimeMs: machine.nowMs + 24 * HOUR_MS })
  const { outcomes, said } = await run(forwardDevice)
  expect(outcomes.slice(-2)).toEqual(['predict: initramfs-differs', 'replace-initramfs: kept'])
  expect(said).toContain('dracut in dom0 makes another one now')
})

it('for an initramfs that this program made in this boot, of packages that were updated since', async () => {
  await run(refreshDevice)
  const old = filesOf(STICK.uuid).get(INITRAMFS)!
  machine.nowMs += HOUR_MS
  installInitramfsInput(machine, 'microcode_ctl', '2:2.1-58.qubes1.fc37')
  filesOf(STICK.uuid).set(INITRAMFS, { bytes: old.bytes, mtimeMs: machine.nowMs + HOUR_MS })
  const { outcomes } = await run(forwardDevice)
  expect(outcomes.slice(-2)).toEqual(['predict: initramfs-differs', 'replace-initramfs: kept'])
})

it('for an initramfs that an approved boot measured, of packages that were updated since', async () => {
  await run(refreshDevice)
  await run(forwardDevice)
  boot(STICK.uuid)
  await verify(false)
  expect(findLedgerDevice(await loadLedger(machine), 'aem.stick').approved).not.toBeNull()
  for (let time = 0; time < 2; time++) boot(INTERNAL.uuid)
  expect((await run(forwardDevice)).outcomes).toContain('forward-seal: sealed')
  const old = filesOf(STICK.uuid).get(INITRAMFS)!
  machine.nowMs += HOUR_MS
  installInitramfsInput(machine, 'microcode_ctl', '2:2.1-58.qubes1.fc37')
  boot(INTERNAL.uuid)
  await verify(true)
  filesOf(STICK.uuid).set(INITRAMFS, { bytes: old.bytes, mtimeMs: machine.nowMs + HOUR_MS })
  const { outcomes } = await run(forwardDevice)
  expect(outcomes.slice(-2)).toEqual(['predict: initramfs-differs', 'replace-initramfs: kept'])
})

it.each([
  ['the kernel', 'rhgb quiet aem.uuid', 'rhgb quiet init=/evil aem.uuid'],
  ['Xen', 'console=none', 'console=none iommu=no -- init=/evil'],
])(
  'is not called explained at the first boot of a stick that was sealed forward, its line of %s edited',
  async (_, from, to) => {
    await run(refreshDevice)
    await run(forwardDevice)
    editLines(STICK.uuid, from, to)
    boot(STICK.uuid)
    const host = makeSimulatedHost(machine)
    expect((await runMain(['explain'], { host })).exit).toBe(4)
    const { json } = await runMain(['status', '--json'], { host })
    expect(ANSWERS.status.parse(json).sinceApproved).toMatchObject({ state: 'unexplained' })
  },
)
