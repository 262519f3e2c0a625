import { describe, expect, it } from 'vitest'
import { INTERNAL, NEW_XEN, STICK } from '../../src/host/simulated/build.ts'
import { makeSimulatedHost } from '../../src/host/simulated/host.ts'
import { findDevice, type SimMachine } from '../../src/host/simulated/model.ts'
import { restartMachine } from '../../src/host/simulated/power.ts'
import {
  goodMachine,
  INITRAMFS,
  isSecretShown,
  loadLedger,
  NEXT_XEN,
  put,
  start,
  update,
} from '../support/approved-machine.ts'
import { exitOf, protectionOf } from '../support/asked.ts'
import { machineOf } from '../support/built-in.ts'
import { Killed, type Trap, trapHost, typeMortal } from '../support/kill.ts'
import { boot, filesOf } from '../support/two-devices.ts'

/*
 * The first use, an alarm after the restart, and `cancel`: whatever the session knew of the good boot is what later boots are
 * compared with, wherever it stood and whatever the device calls itself by then.
 */

const OTHER_UUID = 'aaaaaaaa-5b0a-4f0e-9a57-3f4c1f0a9d11'

const evilImage = (m: SimMachine) => put(m, INITRAMFS, () => Buffer.from('an initramfs of somebody else'))

/** `start` was run on the first use, and dom0 was restarted. */
async function restarted(): Promise<SimMachine> {
  const m = await started()
  restartMachine(m)
  return m
}

async function started(): Promise<SimMachine> {
  const m = goodMachine()
  update(m, NEW_XEN)
  expect(await exitOf(m, 'start', '--yes', '--protect', 'plain', '--restart', 'manual')).toBe(3)
  return m
}

/** AEM sealed to the boot of the alarm by itself; the next ones show the secret. */
async function later(m: SimMachine) {
  restartMachine(m)
  expect(isSecretShown(m)).toBe(true)
  const verify = await exitOf(m, 'verify')
  const state = await protectionOf(m)
  update(m, NEXT_XEN)
  const start = await exitOf(m, 'start', '--yes', '--restart', 'manual')
  restartMachine(m)
  return { verify, state, start, shown: isSecretShown(m) }
}
const SEEN = { verify: 1, state: 'not-protected', start: 1, shown: false }

describe('what was accepted, and is not in the device ledger yet', () => {
  it('power fails between the acceptance and the ledger: the evil boot after it is never approved', async () => {
    const probe: Trap = { at: null, passed: [], isDead: false }
    await typeMortal(['resume'], trapHost(makeSimulatedHost(await restarted()), probe), probe)
    const writes = probe.passed.filter(({ isLook }) => !isLook)
    const first = writes.findIndex(({ what }) => what === 'before write /var/lib/aem-reseal/devices.json')
    expect(first).toBeGreaterThan(3)
    for (const point of writes.slice(Math.max(0, first - 6), first + 1)) {
      const m = await restarted()
      const trap: Trap = { at: point.number, passed: [], isDead: false }
      await typeMortal(['resume'], trapHost(makeSimulatedHost(m), trap), trap).catch((e: unknown) => {
        if (!(e instanceof Killed)) throw e
      })
      evilImage(m)
      restartMachine(m)
      expect(await exitOf(m, 'resume', '--yes'), point.what).toBe(4)
      expect(await exitOf(m, 'cancel', '--yes')).toBe(0)
      expect(await exitOf(m, 'verify'), point.what).toBe(1)
      expect(await later(m), point.what).toEqual(SEEN)
    }
  }, 240_000)

  it("AEM's seal failed after the acceptance: the same", async () => {
    const m = await started()
    m.sealWorks = false
    restartMachine(m)
    expect(await exitOf(m, 'resume', '--yes')).toBe(1)
    m.sealWorks = true
    evilImage(m)
    restartMachine(m)
    expect(await exitOf(m, 'resume', '--yes')).toBe(4)
    expect(await exitOf(m, 'cancel', '--yes')).toBe(0)
    expect(await later(m)).toEqual(SEEN)
    const { approved } = await loadLedger(m)
    expect(approved).toMatchObject({ label: 'aem', packages: null })
  })

  it('is kept where `cancel` comes in the very boot, and the next honest update goes on from it', async () => {
    const m = await started()
    m.sealWorks = false
    restartMachine(m)
    expect(await exitOf(m, 'resume', '--yes')).toBe(1)
    expect(await exitOf(m, 'cancel', '--yes')).toBe(0)
    m.sealWorks = true
    // The same boot again: AEM seals to it, and then it shows the secret.
    restartMachine(m)
    restartMachine(m)
    expect(isSecretShown(m)).toBe(true)
    expect({ verify: await exitOf(m, 'verify'), state: await protectionOf(m) }).toEqual({
      verify: 0,
      state: 'protected',
    })
    update(m, NEXT_XEN)
    expect(await exitOf(m, 'start', '--yes', '--restart', 'manual')).toBe(3)
  })
})

describe('the device calls itself otherwise in the boot of the alarm', () => {
  it('another UUID: what `start` believed is kept under the label that it noted', async () => {
    const m = await started()
    evilImage(m)
    const device = findDevice(m, INTERNAL.uuid) as { uuid: string }
    put(m, 'grub2/grub.cfg', (old) =>
      Buffer.from(Buffer.from(old).toString().replaceAll(INTERNAL.uuid, OTHER_UUID)),
    )
    device.uuid = OTHER_UUID
    m.bootDevice = OTHER_UUID
    restartMachine(m)
    expect(await exitOf(m, 'resume', '--yes')).toBe(1)
    expect(await exitOf(m, 'cancel', '--yes')).toBe(0)
    expect(await later(m)).toEqual(SEEN)
  })

  it('another label, put back later: `verify` forgets nothing', async () => {
    const m = await started()
    const device = findDevice(m, INTERNAL.uuid) as { suffix: string }
    evilImage(m)
    device.suffix = '.a'
    restartMachine(m)
    expect(await exitOf(m, 'resume', '--yes')).toBe(4)
    expect(await exitOf(m, 'cancel', '--yes')).toBe(0)
    device.suffix = ''
    restartMachine(m)
    expect(await exitOf(m, 'verify')).toBe(1)
    expect(await later(m)).toEqual(SEEN)
  })
})

it('the believed boot was of another device: what has no value of its own is asked about, never assumed', async () => {
  const m = machineOf('two-devices')
  expect(await exitOf(m, 'start', '--yes', '--protect', 'plain', '--restart', 'manual')).toBe(3)
  const files = filesOf(m, STICK.uuid)
  const { bytes, mtimeMs } = files.get('/grub2/grub.cfg')!
  const evil = Buffer.from(bytes).toString().replaceAll('rhgb quiet', 'rhgb quiet init=/evil')
  files.set('/grub2/grub.cfg', { bytes: Buffer.from(evil), mtimeMs })
  boot(m, STICK.uuid)
  expect(await exitOf(m, 'resume', '--yes')).toBe(1)
  expect(await exitOf(m, 'cancel', '--yes')).toBe(0)
  boot(m, STICK.uuid)
  expect(isSecretShown(m)).toBe(true)
  expect(await exitOf(m, 'verify', '--device', '.stick')).toBe(1)
  expect(await protectionOf(m)).not.toBe('protected')
  update(m, NEXT_XEN)
  const { outcomes } = await start(m, { 'refresh-device': 'yes', 'ground-go-on': 'no' })
  expect(outcomes.at(-1)).toBe('check-ground: boot-not-vouched')
})
