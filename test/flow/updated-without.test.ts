import { beforeEach, describe, expect, it } from 'vitest'
import { installInitramfsInput, installKernel, installXen, OLD_XEN } from '../../src/host/simulated/build.ts'
import { makeSimulatedHost } from '../../src/host/simulated/host.ts'
import { KERNEL_RELEASE, type SimMachine } from '../../src/host/simulated/model.ts'
import { restartMachine } from '../../src/host/simulated/power.ts'
import { ANSWERS } from '../support/answers.ts'
import { approvedMachine, isSecretShown, put } from '../support/approved-machine.ts'
import { runMain } from '../support/io.ts'

/* Updates of the kernel and the microcode that nobody ran `start` for. No package has their initramfs. */

const NEXT_KERNEL = '6.6.42-1.qubes.fc37.x86_64'
const HOUR_MS = 3600 * 1000

let machine: SimMachine
beforeEach(async () => {
  machine = await approvedMachine()
  machine.nowMs += HOUR_MS
})

async function judge() {
  const host = makeSimulatedHost(machine)
  const explained = await runMain(['explain', '--ascii'], { host })
  const { json } = await runMain(['status', '--json'], { host })
  const status = ANSWERS.status.parse(json)
  return {
    explain: explained.exit,
    since: status.sinceApproved?.state,
    what: status.sinceApproved?.what.join() ?? '',
    command: status.next.command,
    said: explained.stdout.replaceAll(/\s+/g, ' '),
  }
}

const append = (old: Uint8Array): Buffer => Buffer.concat([old, Buffer.from('evil')])

describe.each([
  ['a kernel', () => installKernel(machine, NEXT_KERNEL), `initramfs-${NEXT_KERNEL}.img`],
  [
    'the microcode',
    () => installInitramfsInput(machine, 'microcode_ctl', '2:2.1-58.qubes1.fc37'),
    `initramfs-${KERNEL_RELEASE}.img`,
  ],
])('%s', (_what, install, initramfs) => {
  beforeEach(() => {
    install()
    machine.nowMs += HOUR_MS
  })

  it('is explained by making the initramfs again, and no alarm before that', async () => {
    restartMachine(machine)
    expect(isSecretShown(machine)).toBe(false)
    const { explain, since, what, said } = await judge()
    expect([explain, since]).toEqual([0, 'not-known'])
    expect(said).toContain('updated without this program, by a blind boot')
    expect(what).toContain('`aem-reseal explain` makes it again and compares')
  })

  it('hides no changed initramfs', async () => {
    put(machine, initramfs, append)
    restartMachine(machine)
    expect(await judge()).toMatchObject({ explain: 4 })
  })

  it('hides no changed command line', async () => {
    put(machine, 'grub2/grub.cfg', (old) =>
      Buffer.from(
        Buffer.from(old)
          .toString()
          .replaceAll(/(module\s+\/vmlinuz-[^\n]*)/g, '$1 init=/evil'),
      ),
    )
    restartMachine(machine)
    expect(await judge()).toMatchObject({ explain: 4, since: 'unexplained' })
  })
})

it('without an update a changed initramfs is an alarm in `status` too', async () => {
  put(machine, `initramfs-${KERNEL_RELEASE}.img`, append)
  restartMachine(machine)
  expect(await judge()).toMatchObject({ explain: 4, since: 'unexplained' })
})

describe('an older Xen that was installed', () => {
  beforeEach(() => installXen(machine, OLD_XEN, machine.nowMs))

  it('says nothing of the boot before its restart', async () => {
    const { explain, said, command } = await judge()
    expect([explain, command]).toEqual([0, 'aem-reseal start'])
    expect(said).not.toContain('ower off')
  })

  it('is an alarm once it has booted', async () => {
    restartMachine(machine)
    expect(await judge()).toMatchObject({ explain: 4, since: 'unexplained' })
  })
})
