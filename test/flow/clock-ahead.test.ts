import { expect, it } from 'vitest'
import { forwardDevice, refreshDevice } from '../../flows/devices.ts'
import { INTERNAL, STICK } from '../../src/host/simulated/build.ts'
import { makeSimulatedHost } from '../../src/host/simulated/host.ts'
import { finish, isSecretShown, NEXT_XEN, start, update } from '../support/approved-machine.ts'
import { runMain } from '../support/io.ts'
import { boot, runOnStick, twoDevices } from '../support/two-devices.ts'

/* Times in the ledger are only as good as the clock: what came later stays later. */

it('a state that was accepted while the clock was ahead can still be done with', async () => {
  const m = await twoDevices()
  m.nowMs = Date.parse('2030-01-01T00:00:00Z')
  update(m, NEXT_XEN)
  expect((await start(m)).exit).toBe(3)
  boot(m, INTERNAL.uuid)
  await finish(m)
  m.nowMs = Date.parse('2024-08-01T00:00:00Z')
  boot(m, INTERNAL.uuid)
  const devices = async () =>
    (await runMain(['devices', '--ascii'], { host: makeSimulatedHost(m) })).stdout.replaceAll(/\s+/g, ' ')
  await runOnStick(m, refreshDevice)
  expect((await runOnStick(m, forwardDevice)).outcomes).toContain('forward-seal: sealed')
  const sealed = await devices()
  boot(m, STICK.uuid)
  expect(isSecretShown(m)).toBe(true)
  expect((await runMain(['verify', '--device', '.stick'], { host: makeSimulatedHost(m) })).exit).toBe(0)
  const verified = await devices()
  expect([sealed.includes('it is sealed forward'), verified.includes('to do:')]).toEqual([true, false])
})
