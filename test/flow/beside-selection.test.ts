import { expect, it } from 'vitest'
import { forwardDevice, refreshDevice } from '../../flows/devices.ts'
import { INTERNAL, STICK } from '../../src/host/simulated/build.ts'
import { makeSimulatedHost } from '../../src/host/simulated/host.ts'
import type { SimMachine } from '../../src/host/simulated/model.ts'
import { restartMachine } from '../../src/host/simulated/power.ts'
import { ANSWERS } from '../support/answers.ts'
import {
  approvedMachine,
  finish,
  INITRAMFS,
  isSecretShown,
  loadLedger,
  NEXT_XEN,
  put,
  setSeal,
  start,
  update,
} from '../support/approved-machine.ts'
import { exitOf, protectionOf } from '../support/asked.ts'
import { machineOf } from '../support/built-in.ts'
import { runMain } from '../support/io.ts'
import { boot, filesOf, runOnStick } from '../support/two-devices.ts'
import { verifyNow } from '../support/verify-now.ts'

/*
 * SEAL without PCR 19 (AEM's own form for TrenchBoot, here under tboot): the TPM releases the secret whatever kernel, initramfs and
 * command line boot. What the launch measured says it all the same.
 */

async function machineWithout19(): Promise<SimMachine> {
  return approvedMachine(without19)
}

const without19 = (m: SimMachine): void => setSeal(m, [13, 17, 18])

it.each([
  ['an initramfs of somebody else', INITRAMFS, () => Buffer.from('an initramfs of somebody else')],
  [
    'a word for the kernel',
    'grub2/grub.cfg',
    (old: Uint8Array) =>
      Buffer.from(Buffer.from(old).toString().replaceAll('rhgb quiet', 'rhgb quiet init=/evil')),
  ],
])(
  '%s, though the secret appears: never fine, never approved, no forward seal',
  async (_what, name, change) => {
    const m = await machineWithout19()
    const before = await loadLedger(m)
    put(m, name, change)
    restartMachine(m)
    expect(isSecretShown(m)).toBe(true)
    expect({ explain: await exitOf(m, 'explain'), verify: await exitOf(m, 'verify') }).toEqual({
      explain: 4,
      verify: 1,
    })
    // `verify` before made nothing of it the approved boot.
    expect({ explain: await exitOf(m, 'explain'), state: await protectionOf(m) }).toEqual({
      explain: 4,
      state: 'not-protected',
    })
    expect((await loadLedger(m)).devices[0]!.approved).toEqual(before.devices[0]!.approved)
    update(m, NEXT_XEN)
    expect(await exitOf(m, 'start', '--yes', '--restart', 'manual')).toBe(1)
    const { outcomes, facts } = await start(m, { 'ground-go-on': 'no' })
    expect(outcomes.at(-1)).toBe('check-ground: boot-not-vouched')
    expect(facts).toMatchObject({ why: 'registers-differ', registers: [19] })
  },
)

it('an honest update is sealed forward, and its boots are the approved ones', async () => {
  const m = await machineWithout19()
  expect(await exitOf(m, 'verify')).toBe(0)
  update(m, NEXT_XEN)
  const { exit, outcomes } = await start(m)
  expect(exit).toBe(3)
  expect(outcomes).toContain('forward-seal: sealed')
  restartMachine(m)
  expect(isSecretShown(m)).toBe(true)
  expect((await finish(m)).exit).toBe(0)
  restartMachine(m)
  expect({ verify: await exitOf(m, 'verify'), explain: await exitOf(m, 'explain') }).toEqual({
    verify: 0,
    explain: 0,
  })
  expect(await protectionOf(m)).toBe('protected')
  const [device] = (await loadLedger(m)).devices
  expect(Object.keys(device!.approved!.registers)).toEqual(['13', '17', '18', '19'])
})

it.each([
  ['honest', false],
  ['with an initramfs of somebody else', true],
])(
  'a stick that was sealed forward, %s: its register beside is that of the approved boot, or not known',
  async (_what, isEvil) => {
    const m = machineOf('two-devices')
    without19(m)
    boot(m, INTERNAL.uuid)
    boot(m, INTERNAL.uuid)
    await verifyNow(m, { approve: true })
    expect((await runOnStick(m, refreshDevice)).outcomes).toContain('refresh-device: refreshed')
    expect((await runOnStick(m, forwardDevice)).outcomes).toContain('forward-seal: sealed')
    const files = filesOf(m, STICK.uuid)
    const { bytes, mtimeMs } = files.get(`/${INITRAMFS}`)!
    if (isEvil) files.set(`/${INITRAMFS}`, { bytes: Buffer.concat([bytes, Buffer.from('evil')]), mtimeMs })
    boot(m, STICK.uuid)
    expect(isSecretShown(m)).toBe(true)
    const asked = {
      explain: await exitOf(m, 'explain'),
      verify: await exitOf(m, 'verify', '--device', '.stick'),
    }
    expect(asked).toEqual(isEvil ? { explain: 1, verify: 1 } : { explain: 0, verify: 0 })
    const { approved } = (await loadLedger(m)).devices.find(({ label }) => label === 'aem.stick')!
    expect(approved === null).toBe(isEvil)
    update(m, NEXT_XEN)
    const { outcomes } = await start(m, { 'ground-go-on': 'no', 'refresh-device': 'no' })
    expect(outcomes.includes('check-ground: boot-not-vouched')).toBe(isEvil)
  },
)

it('a register that SEAL took in since is not computable, and nothing more is said against the boot', async () => {
  const m = await approvedMachine((machine) => setSeal(machine, [17, 18, 19]))
  setSeal(m, [13, 17, 18, 19])
  const { exit, json } = await runMain(['explain', '--json'], { host: makeSimulatedHost(m) })
  const { verdict, reasons } = ANSWERS.explain.parse(json)
  expect([exit, verdict]).toEqual([1, 'not-computable'])
  expect(reasons.filter(({ isBlocking }) => isBlocking).map(({ code }) => code)).toEqual(['pcr-not-approved'])
})
