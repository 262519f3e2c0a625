import { expect, it } from 'vitest'
import { installKernel } from '../../src/host/simulated/build.ts'
import { makeSimulatedHost } from '../../src/host/simulated/host.ts'
import { initramfsOf } from '../../src/host/simulated/initramfs.ts'
import { bootFilesOf, type SimMachine } from '../../src/host/simulated/model.ts'
import { restartMachine } from '../../src/host/simulated/power.ts'
import { approvedMachine, NEXT_XEN, update } from '../support/approved-machine.ts'
import { runMain } from '../support/io.ts'

/* Honest: a battery is dead, and the clock stays in 2011 (no network yet, or none in dom0's time). */
const HOUR = 3600_000
const NEXT = '6.6.40-1.qubes.fc37.x86_64'
async function bootedIn2011(): Promise<SimMachine> {
  const m = await approvedMachine()
  m.nowMs = Date.parse('2011-01-01T00:00:00Z')
  restartMachine(m)
  return m
}

it('Xen updated without the program in 2011 is no alarm: it was not "installed before the last boot"', async () => {
  const m = await bootedIn2011()
  update(m, NEXT_XEN)
  restartMachine(m)
  expect((await runMain(['explain'], { host: makeSimulatedHost(m) })).exit).toBe(0)
})

it('a kernel installed in 2011: what `start` orders (dracut) leads on', async () => {
  const m = await bootedIn2011()
  m.nowMs += HOUR
  installKernel(m, NEXT)
  m.nowMs += HOUR
  const start = async () => runMain(['start', '--yes', '--restart', 'manual'], { host: makeSimulatedHost(m) })
  const first = await start()
  if (first.exit === 3) return
  expect(first.stdout).toContain('sudo dracut -f --kver RELEASE')
  m.nowMs += HOUR
  bootFilesOf(m).set(`initramfs-${NEXT}.img`, { bytes: initramfsOf(m, NEXT, ' --force\n'), mtimeMs: m.nowMs })
  expect((await start()).exit).toBe(3)
})
