import { expect, it } from 'vitest'
import { refreshDevice } from '../../flows/devices.ts'
import { changeOneByte } from '../../src/host/simulated/boot-images.ts'
import { INTERNAL, STICK, XEN_IMAGE } from '../../src/host/simulated/build.ts'
import { makeSimulatedHost } from '../../src/host/simulated/host.ts'
import { KERNEL_RELEASE, type SimMachine, sha256 } from '../../src/host/simulated/model.ts'
import { finish, isSecretShown, loadLedger, NEXT_XEN, start, update } from '../support/approved-machine.ts'
import { runMain } from '../support/io.ts'
import { boot, filesOf, runOnStick, twoDevices } from '../support/two-devices.ts'
import { verifyNow } from '../support/verify-now.ts'

/*
 * One device is approved, a boot from the other never was: AEM seals by itself to whatever lies on it, and from the second boot on the
 * secret appears. Only a boot that is the approved one but for the device's own UUID, and an initramfs of this program's making,
 * is ground for a seal.
 */

const IMAGE = `/initramfs-${KERNEL_RELEASE}.img`
const EVIL = Buffer.from('an initramfs of somebody else')
const run = (m: SimMachine, ...argv: string[]) =>
  runMain([...argv, '--ascii'], { host: makeSimulatedHost(m) })
const edit = (m: SimMachine, path: string, change: (old: Uint8Array) => Uint8Array) => {
  const files = filesOf(m, STICK.uuid)
  const { bytes, mtimeMs } = files.get(path)!
  files.set(path, { bytes: change(bytes), mtimeMs })
}
const evilImage = (m: SimMachine) => edit(m, IMAGE, () => EVIL)
const evilLine = (m: SimMachine) =>
  edit(m, '/grub2/grub.cfg', (old) =>
    Buffer.from(Buffer.from(old).toString().replaceAll('rhgb quiet', 'rhgb quiet init=/evil')),
  )
const evilXen = (m: SimMachine) => edit(m, `/${XEN_IMAGE}`, changeOneByte)

/** The internal device is approved, the stick refreshed by this program and never booted; then somebody had it in hand. */
async function evilStick(change: (m: SimMachine) => void): Promise<SimMachine> {
  const m = await twoDevices()
  await runOnStick(m, refreshDevice)
  change(m)
  for (let time = 0; time < 2; time++) boot(m, STICK.uuid)
  expect(isSecretShown(m)).toBe(true)
  return m
}

it.each([
  ['an initramfs of somebody else', evilImage, IMAGE],
  ['a word for the kernel', evilLine, 'init=/evil'],
])('%s: no forward seal at the next update, and it is named', async (_what, change, named) => {
  const m = await evilStick(change)
  update(m, NEXT_XEN)
  const { outcomes, said } = await start(m, { 'ground-go-on': 'no' })
  expect(outcomes.at(-1)).toBe('check-ground: boot-not-vouched')
  // Named is what differs, and not that the device is another one.
  expect(said).toContain(named)
  expect(said).not.toContain('aem.uuid=')
  expect(said).toContain('boot from the device that is approved')
  const { knownFiles } = (await loadLedger(m)).devices.find(({ label }) => label === 'aem.stick')!
  expect(knownFiles.map((one) => one.sha256)).not.toContain(sha256(EVIL))
})

it('the evil Xen: neither protected nor verified, as `start` says that PCR 18 is not the approved one', async () => {
  const m = await evilStick(evilXen)
  const verify = await run(m, 'verify', '--device', '.stick')
  const status = (await runMain(['status', '--json'], { host: makeSimulatedHost(m) })).json as {
    protection: { state: string }
    next: { command: string }
  }
  update(m, NEXT_XEN)
  expect((await start(m, { 'ground-go-on': 'no' })).outcomes.at(-1)).toBe('check-ground: boot-not-vouched')
  expect(verify.exit).toBe(1)
  expect(status.protection.state).not.toBe('protected')
  expect(status.next.command).not.toBe('aem-reseal devices refresh aem.stick')
})

it('afterwards, sealed forward from the honest device, called reproduced', async () => {
  const m = await evilStick(evilImage)
  update(m, NEXT_XEN)
  await start(m, { 'refresh-device': 'yes' })
  boot(m, STICK.uuid)
  await finish(m)
  for (let time = 0; time < 2; time++) boot(m, INTERNAL.uuid)
  await verifyNow(m, { approve: true })
  const { exit, stdout } = await run(m, 'devices', 'forward-seal', 'aem.stick', '--yes')
  expect(stdout).not.toMatch(/initramfs-\S+: reproduced/)
  expect(exit).toBe(1)
})

it('brought up to date by this program and left alone: sealed forward without a question, and fine', async () => {
  const m = await evilStick(() => {})
  const status = (await runMain(['status', '--json'], { host: makeSimulatedHost(m) })).json as {
    protection: { reasons: { code: string }[] }
  }
  expect(status.protection.reasons.map(({ code }) => code)).not.toContain('boot-unknown')
  expect((await run(m, 'verify', '--device', '.stick')).exit).toBe(0)
  update(m, NEXT_XEN)
  const { outcomes, asked } = await start(m, { 'refresh-device': 'yes' })
  expect(outcomes).toContain('forward-seal: sealed')
  expect(asked).not.toContain('ground-go-on')
  boot(m, STICK.uuid)
  expect(isSecretShown(m)).toBe(true)
  expect((await finish(m)).outcomes).toContain('explain: explained')
})

it('`explain` says why nothing can be compared, and what approves a boot from it', async () => {
  const m = await evilStick(evilImage)
  const { exit, stdout } = await run(m, 'explain')
  expect(exit).toBe(1)
  expect(stdout.replaceAll(/\s+/g, ' ')).toMatch(
    /no boot from this device was approved in the present state, and PCR 19 .* the next `aem-reseal start`/,
  )
})

it('an evil boot of it that AEM sealed to leaves the stick to do, whatever its copies are worth', async () => {
  const m = await twoDevices()
  for (const uuid of [STICK.uuid, STICK.uuid]) boot(m, uuid)
  await verifyNow(m, { approve: true })
  evilImage(m)
  for (let time = 0; time < 2; time++) boot(m, STICK.uuid)
  expect((await run(m, 'verify', '--device', '.stick')).exit).toBe(1)
  boot(m, INTERNAL.uuid)
  const { json } = await runMain(['devices', '--json'], { host: makeSimulatedHost(m) })
  const { devices } = json as { devices: readonly { label: string; work: unknown }[] }
  const stick = devices.find(({ label }) => label === 'aem.stick')
  expect(stick?.work).toMatchObject({ state: 'to-do', why: 'what it booted then was not explained' })
  expect((await loadLedger(m)).devices.find(({ label }) => label === 'aem.stick')?.verified).toMatchObject({
    isCurrent: false,
    why: 'what it booted then was not explained',
  })
})

it('of a stick as the approved boot, an entry beside grub.cfg that does more is named, and it is not called the same', async () => {
  const m = await twoDevices()
  await runOnStick(m, refreshDevice)
  const files = filesOf(m, STICK.uuid)
  const text = Buffer.from(files.get('/grub2/grub.cfg')!.bytes).toString('latin1')
  for (let time = 0; time < 2; time++) boot(m, STICK.uuid)
  expect((await run(m, 'explain')).exit).toBe(0)
  const [entry = ''] = /menuentry 'AEM Qubes, with Xen hypervisor'[^\n]*\n[\s\S]*?\n}\n/.exec(text) ?? []
  const beside = entry.replace(/\n}\n$/, '\n\tacpi\t/evil.aml\n}\n')
  expect(beside).not.toBe(entry)
  files.set('/grub2/custom.cfg', { bytes: Buffer.from(beside, 'latin1'), mtimeMs: m.nowMs })
  const explained = await run(m, 'explain')
  expect(explained.exit).toBe(4)
  expect(`${explained.stdout}${explained.stderr}`).toContain('of custom.cfg')
  expect((await run(m, 'verify', '--device', '.stick')).exit).toBe(1)
})
