import { expect, it } from 'vitest'
import { makeDirectoryStore } from '../../src/act/session-store.ts'
import { installXen, NEW_XEN, OLD_XEN } from '../../src/host/simulated/build.ts'
import { makeSimulatedHost } from '../../src/host/simulated/host.ts'
import type { SimMachine } from '../../src/host/simulated/model.ts'
import { restartMachine } from '../../src/host/simulated/power.ts'
import { DEFAULT_STATE_DIR } from '../../src/tables/paths.ts'
import { goodMachine, INITRAMFS, isSecretShown, NEXT_XEN, put, update } from '../support/approved-machine.ts'
import { runMain } from '../support/io.ts'

/* On the first use nothing was approved before: what `start` believed is what later boots are compared with. */

const run = async (m: SimMachine, ...argv: string[]) =>
  (await runMain(argv, { host: makeSimulatedHost(m) })).exit

it.each(['plain', 'forward-seal'])('first use, %s: an alarm is not forgotten by `cancel`', async (way) => {
  const m = goodMachine()
  update(m, NEW_XEN)
  expect(await run(m, 'start', '--yes', '--protect', way, '--restart', 'manual')).toBe(3)
  put(m, INITRAMFS, () => Buffer.from('an initramfs of somebody else'))
  restartMachine(m)
  expect(await run(m, 'resume', '--yes')).toBe(4)
  expect(await run(m, 'cancel', '--yes')).toBe(0)
  const verifyInTheAlarmBoot = await run(m, 'verify')
  restartMachine(m)
  expect(isSecretShown(m)).toBe(true)
  const status = (await runMain(['status', '--json'], { host: makeSimulatedHost(m) })).json as {
    protection: { state: string }
  }
  const verify = await run(m, 'verify')
  update(m, NEXT_XEN)
  const start = await run(m, 'start', '--yes', '--restart', 'manual')
  restartMachine(m)
  const shown = isSecretShown(m)
  const resume = await run(m, 'resume', '--yes')
  expect({
    verifyInTheAlarmBoot,
    verify,
    state: status.protection.state,
    start,
    shown,
    resume,
  }).toMatchObject({ verifyInTheAlarmBoot: 1, verify: 1, state: 'not-protected', start: 1, shown: false })
})

it('first use: what `start` believed is never approved by a boot that is as it, and is named as what it is', async () => {
  const m = goodMachine()
  const host = makeSimulatedHost(m)
  update(m, NEW_XEN)
  expect(await run(m, 'start', '--yes', '--protect', 'plain', '--restart', 'manual')).toBe(3)
  restartMachine(m)
  expect(await run(m, 'cancel', '--yes')).toBe(0)
  // Back to the Xen that `start` ran under: the registers are those it believed.
  installXen(m, OLD_XEN, m.nowMs)
  restartMachine(m)
  restartMachine(m)
  expect(isSecretShown(m)).toBe(true)
  expect(await run(m, 'verify')).toBe(0)
  const look = await makeDirectoryStore(host, DEFAULT_STATE_DIR).loadDevices()
  expect(look.state === 'read' && look.ledger.devices[0]).toMatchObject({
    believed: { registers: expect.anything() },
    verified: { registers: expect.anything() },
    approved: null,
    knownFiles: [],
  })
  const { stdout } = await runMain(['explain'], { host: makeSimulatedHost(m) })
  expect(stdout).toMatch(
    /no register changed since the boot of \S+ \(believed by `start`, approved by nobody\)/,
  )
})
