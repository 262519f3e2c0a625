import { expect, it } from 'vitest'
import { INTERNAL, installInitramfsInput, installKernel, NEW_XEN } from '../../src/host/simulated/build.ts'
import { makeSimulatedHost } from '../../src/host/simulated/host.ts'
import { KERNEL_RELEASE, type SimMachine } from '../../src/host/simulated/model.ts'
import { restartMachine } from '../../src/host/simulated/power.ts'
import { finish, goodMachine, isSecretShown, NEXT_XEN, start, update } from '../support/approved-machine.ts'
import { runMain } from '../support/io.ts'
import { filesOf } from '../support/two-devices.ts'

/* kernel-latest 6.9.2 runs and is approved. Somebody with the device makes GRUB start a signed kernel of the package `kernel`. */

const HOUR = 3600_000
const DEAD = Date.parse('2011-01-01T00:00:00Z')
const RIGHT = Date.parse('2024-09-01T00:00:00Z')
const [LATEST, NEXT_LATEST, LTS] = [
  '6.9.2-1.qubes.fc37.x86_64',
  '6.9.7-1.qubes.fc37.x86_64',
  '6.6.40-1.qubes.fc37.x86_64',
]
const exitOf = async (m: SimMachine, ...argv: string[]) =>
  (await runMain(argv, { host: makeSimulatedHost(m) })).exit

function bootOther(m: SimMachine, release: string): void {
  const files = filesOf(m, INTERNAL.uuid)
  const text = Buffer.from(files.get('/grub2/grub.cfg')!.bytes).toString()
  const entries = [...text.matchAll(/menuentry 'AEM [\s\S]*?\n\s*\}/g)].map(([entry]) => entry)
  const entry = entries.find((one) => one.includes(release))!.replace(/'AEM [^']*'/, "'Old'")
  files.set('/grub2/custom.cfg', { bytes: Buffer.from(`${entry}\nset default="Old"\n`), mtimeMs: m.nowMs })
  // Its date is the attacker's.
  const image = files.get(`/initramfs-${release}.img`)!
  files.set(`/initramfs-${release}.img`, { ...image, mtimeMs: RIGHT - HOUR })
}

async function approvedLatest(clockOfApprovedBoot: number | null = null): Promise<SimMachine> {
  const m = goodMachine()
  m.nowMs += HOUR
  installKernel(m, LATEST, 'kernel-latest')
  update(m, NEW_XEN)
  expect((await start(m)).exit).toBe(3)
  if (clockOfApprovedBoot !== null) m.nowMs = clockOfApprovedBoot
  restartMachine(m)
  expect((await finish(m)).exit).toBe(0)
  return m
}

it('session: `kernel` 6.6.40 came after `start` and is booted in place of the predicted kernel-latest 6.9.2', async () => {
  const m = await approvedLatest()
  restartMachine(m)
  update(m, NEXT_XEN)
  expect((await start(m)).outcomes).toContain('forward-seal: sealed')
  m.nowMs += HOUR
  installKernel(m, LTS, 'kernel')
  m.nowMs += HOUR
  bootOther(m, LTS)
  restartMachine(m)
  expect(isSecretShown(m)).toBe(false)
  expect([await exitOf(m, 'explain'), await exitOf(m, 'resume', '--yes')]).toEqual([4, 4])
})

it('session: `start` in a boot whose clock was set back, microcode came after it, the old `kernel` 6.6.36 is booted', async () => {
  const m = await approvedLatest()
  m.nowMs = DEAD
  restartMachine(m)
  update(m, NEXT_XEN)
  expect((await start(m)).outcomes).toContain('forward-seal: sealed')
  m.nowMs += HOUR
  installInitramfsInput(m, 'microcode_ctl', '2:2.1-58.qubes1.fc37')
  bootOther(m, KERNEL_RELEASE)
  m.nowMs = RIGHT
  restartMachine(m)
  expect(isSecretShown(m)).toBe(false)
  expect([await exitOf(m, 'explain'), await exitOf(m, 'resume', '--yes')]).toEqual([4, 4])
})

it('no session: the clock was set back in the approved boot; after an honest kernel-latest the old `kernel` 6.6.36 is booted', async () => {
  const m = await approvedLatest(DEAD)
  m.nowMs = RIGHT
  installKernel(m, NEXT_LATEST, 'kernel-latest')
  m.nowMs += HOUR
  bootOther(m, KERNEL_RELEASE)
  restartMachine(m)
  expect(await exitOf(m, 'explain')).toBe(4)
})

it('no session: both were updated, and `kernel` 6.6.40 is booted, not kernel-latest', async () => {
  const m = await approvedLatest()
  m.nowMs += HOUR
  installKernel(m, NEXT_LATEST, 'kernel-latest')
  installKernel(m, LTS, 'kernel')
  m.nowMs += HOUR
  bootOther(m, LTS)
  restartMachine(m)
  expect(await exitOf(m, 'explain')).toBe(4)
})
