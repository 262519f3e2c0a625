import { expect, it } from 'vitest'
import { forwardDevice, refreshDevice } from '../../flows/devices.ts'
import { installInitramfsInput, STICK } from '../../src/host/simulated/build.ts'
import { makeSimulatedHost } from '../../src/host/simulated/host.ts'
import type { SimMachine } from '../../src/host/simulated/model.ts'
import { approvedMachine, NEXT_XEN, update } from '../support/approved-machine.ts'
import { runMain } from '../support/io.ts'
import { boot, runOnStick, twoDevices } from '../support/two-devices.ts'
import { verifyNow } from '../support/verify-now.ts'

/* Every register of this boot is the approved one, and an update was installed in it: that says nothing of this boot. */
const explain = async (m: SimMachine) => {
  const { exit, stdout } = await runMain(['explain', '--ascii'], { host: makeSimulatedHost(m) })
  return { exit, isAlarm: /UNEXPLAINED|power off now/.test(stdout) }
}

it('dracut was updated in the approved boot', async () => {
  const m = await approvedMachine()
  m.nowMs += 3600_000
  installInitramfsInput(m, 'dracut', '0:060-1.fc37')
  expect(await explain(m)).toEqual({ exit: 0, isAlarm: false })
})

it('Xen was updated in dom0, in an approved boot from the stick', async () => {
  const m = await twoDevices()
  await runOnStick(m, refreshDevice)
  await runOnStick(m, forwardDevice)
  boot(m, STICK.uuid)
  await verifyNow(m)
  update(m, NEXT_XEN)
  expect(await explain(m)).toEqual({ exit: 0, isAlarm: false })
})
