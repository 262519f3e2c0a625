import { expect, it } from 'vitest'
import { forwardDevice, refreshDevice } from '../../flows/devices.ts'
import { INTERNAL, installInitramfsInput, STICK } from '../../src/host/simulated/build.ts'
import { makeSimulatedHost } from '../../src/host/simulated/host.ts'
import { KERNEL_RELEASE } from '../../src/host/simulated/model.ts'
import { runMain } from '../support/io.ts'
import { boot, filesOf, runOnStick, twoDevices } from '../support/two-devices.ts'
import { verifyNow } from '../support/verify-now.ts'

const IMAGE = `/initramfs-${KERNEL_RELEASE}.img`
const HOUR = 3600_000

/* What this program made is known with the packages that it was made of, after the restart as before a seal. */

it('an initramfs that this program made of older microcode, its date set forward, explains nothing', async () => {
  const m = await twoDevices()
  await runOnStick(m, refreshDevice)
  await runOnStick(m, forwardDevice)
  boot(m, STICK.uuid)
  await verifyNow(m)
  boot(m, INTERNAL.uuid)
  const updateTo = (evr: string) => {
    m.nowMs += HOUR
    installInitramfsInput(m, 'microcode_ctl', evr)
    m.nowMs += HOUR
  }
  updateTo('2:2.1-58.qubes1.fc37')
  await runOnStick(m, refreshDevice)
  const made = filesOf(m, STICK.uuid).get(IMAGE)!
  updateTo('2:2.1-60.qubes1.fc37')
  filesOf(m, STICK.uuid).set(IMAGE, { ...made, mtimeMs: m.nowMs + HOUR })
  boot(m, STICK.uuid)
  const host = makeSimulatedHost(m)
  const status = (await runMain(['status', '--json'], { host })).json as { sinceApproved: { state: string } }
  expect((await runMain(['explain'], { host })).exit).toBe(4)
  // Whether dom0 makes it now, `explain` alone finds out.
  expect(status.sinceApproved.state).toBe('not-known')
})
