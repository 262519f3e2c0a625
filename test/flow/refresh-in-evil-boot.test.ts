import { beforeEach, expect, it } from 'vitest'
import { INTERNAL, STICK } from '../../src/host/simulated/build.ts'
import { makeSimulatedHost } from '../../src/host/simulated/host.ts'
import { KERNEL_RELEASE, type SimMachine } from '../../src/host/simulated/model.ts'
import { NEXT_XEN, update } from '../support/approved-machine.ts'
import { runMain } from '../support/io.ts'
import { Killed, type Trap, trapHost, typeMortal } from '../support/kill.ts'
import { boot, filesOf, twoDevices } from '../support/two-devices.ts'
import { verifyNow } from '../support/verify-now.ts'

/*
 * `devices refresh` takes the lines and the initramfs of the device of this boot for right as they booted. Where that boot is not the
 * approved one it says so, instead of "carries the boot files of the installed packages".
 */

const IMAGE = `/initramfs-${KERNEL_RELEASE}.img`
const PERSON = { 'refresh-device': 'yes' }
const COPIED = 'after copy /boot/xen-4.17.4.gz'

const run = (m: SimMachine, ...argv: string[]) => runMain(argv, { host: makeSimulatedHost(m) })
const change = (m: SimMachine, path: string, edit: (old: string) => string): void => {
  const files = filesOf(m, STICK.uuid)
  const { bytes, mtimeMs } = files.get(path)!
  files.set(path, { bytes: Buffer.from(edit(Buffer.from(bytes).toString())), mtimeMs })
}

let machine: SimMachine
/** Both devices were approved, the internal one updated; the refresh of the stick was cut by a power failure. */
beforeEach(async () => {
  machine = await twoDevices()
  for (const { uuid } of [STICK, INTERNAL]) {
    for (let time = 0; time < 2; time++) boot(machine, uuid)
    await verifyNow(machine, { approve: true })
  }
  update(machine, NEXT_XEN)
  await run(machine, 'start', '--yes', '--restart', 'manual')
  for (let time = 0; time < 2; time++) {
    boot(machine, INTERNAL.uuid)
    await run(machine, 'resume', '--yes')
  }
  const argv = ['devices', 'refresh', 'aem.stick']
  const probe: Trap = { at: null, passed: [], isDead: false }
  await typeMortal(argv, trapHost(makeSimulatedHost(structuredClone(machine)), probe), probe, PERSON)
  const trap: Trap = {
    at: probe.passed.find(({ what }) => what === COPIED)!.number,
    passed: [],
    isDead: false,
  }
  await typeMortal(argv, trapHost(makeSimulatedHost(machine), trap), trap, PERSON).catch((e: unknown) => {
    if (!(e instanceof Killed)) throw e
  })
})

it.each([
  ['an initramfs of somebody else', IMAGE, () => 'an initramfs of somebody else'],
  [
    'a word for the kernel',
    '/grub2/grub.cfg',
    (old: string) => old.replaceAll('rhgb quiet', 'rhgb quiet init=/evil'),
  ],
])('%s, booted from the stick: `resume` and `devices refresh` stop', async (_what, path, edit) => {
  change(machine, path, edit)
  boot(machine, STICK.uuid)
  const resumed = await run(machine, 'resume', '--yes')
  expect(resumed.exit).toBe(1)
  expect(`${resumed.stdout}${resumed.stderr}`.replaceAll(/\s+/g, ' ')).toMatch(
    /PCR 19 of this boot from aem\.stick is not known to be as approved/,
  )
  expect((await run(machine, 'devices', 'refresh', 'aem.stick', '--yes')).exit).toBe(1)
})

it('the honest stick goes on where it was cut', async () => {
  boot(machine, STICK.uuid)
  const resumed = await run(machine, 'resume', '--yes')
  expect(`${resumed.stdout}${resumed.stderr}`).not.toContain('not known to be as approved')
  expect(resumed.exit).toBe(0)
})
