import { expect, it } from 'vitest'
import { refreshDevice } from '../../flows/devices.ts'
import { changeOneByte } from '../../src/host/simulated/boot-images.ts'
import { INTERNAL, STICK, XEN_IMAGE } from '../../src/host/simulated/build.ts'
import { makeSimulatedHost } from '../../src/host/simulated/host.ts'
import { PLAIN_ENTRY, type SimMachine } from '../../src/host/simulated/model.ts'
import { restartMachine } from '../../src/host/simulated/power.ts'
import { approvedMachine, put } from '../support/approved-machine.ts'
import { runMain } from '../support/io.ts'
import { boot, runOnStick, twoDevices } from '../support/two-devices.ts'

/* Orders of `status` that were obeyed are not given again, and none contradicts another. */

const nextOf = async (m: SimMachine) => {
  const { json } = await runMain(['status', '--json'], { host: makeSimulatedHost(m) })
  return json as {
    next: { command: string | null; why: string }
    protection: { reasons: { code: string }[] }
  }
}

it('a boot without AEM, a boot file CHANGED: nobody is told to boot it', async () => {
  const m = await approvedMachine()
  put(m, XEN_IMAGE, changeOneByte)
  m.menuChoice = PLAIN_ENTRY
  restartMachine(m)
  const { next, protection } = await nextOf(m)
  expect(protection.reasons.map(({ code }) => code)).toContain('boot-files-changed')
  expect(next.why).not.toContain('restart and choose the AEM entry')
})

it('shared slot: after `verify` found all well, `status` does not order it again', async () => {
  const m = await twoDevices()
  await runOnStick(m, refreshDevice)
  boot(m, STICK.uuid)
  boot(m, INTERNAL.uuid)
  expect((await nextOf(m)).next.command).toBe('aem-reseal verify')
  expect((await runMain(['verify', '--device', ''], { host: makeSimulatedHost(m) })).exit).toBe(0)
  expect((await nextOf(m)).next.command).not.toBe('aem-reseal verify')
})
