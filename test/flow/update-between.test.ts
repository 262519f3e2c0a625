import { beforeEach, describe, expect, it } from 'vitest'
import { changeOneByte } from '../../src/host/simulated/boot-images.ts'
import { installKernel, XEN_IMAGE } from '../../src/host/simulated/build.ts'
import { makeSimulatedHost } from '../../src/host/simulated/host.ts'
import type { SimMachine } from '../../src/host/simulated/model.ts'
import { restartMachine } from '../../src/host/simulated/power.ts'
import {
  approvedMachine,
  INITRAMFS,
  isSecretShown,
  NEXT_XEN,
  put,
  update,
} from '../support/approved-machine.ts'
import { type, typeCancel, typeJson, typeResume, typeStart } from '../support/at-terminal.ts'

/* A further update, installed between the restart and `resume`, or between `resume` and the boot that confirms it. */

const LATER_XEN = '4.17.4-6'
const LATER_KERNEL = '6.6.42-1.qubes.fc37.x86_64'

let machine: SimMachine

async function begin(protect: string): Promise<void> {
  machine = await approvedMachine()
  update(machine, NEXT_XEN)
  const started = await typeStart(makeSimulatedHost(machine), protect)
  expect(started.exit, started.said).toBe(3)
  restartMachine(machine)
}

const resume = () => typeResume(makeSimulatedHost(machine), { 'secret-shown': 'yes' })

const explain = async () => {
  const { answer, exit } = await typeJson<{ verdict: string; reasons: { code: string }[] }>(
    ['explain'],
    makeSimulatedHost(machine),
  )
  return { exit, verdict: answer.verdict, codes: answer.reasons.map(({ code }) => code) }
}

const laterXen = () => update(machine, LATER_XEN)
const laterKernel = () => {
  machine.nowMs += 3600_000
  installKernel(machine, LATER_KERNEL)
  machine.nowMs += 3600_000
}

describe('after a boot that showed what was sealed forward', () => {
  beforeEach(async () => {
    await begin('forward-seal')
    expect(isSecretShown(machine)).toBe(true)
    laterXen()
  })

  it('the package that booted explains it, and the new one is what comes next', async () => {
    const { exit, said } = await resume()
    expect(exit, said).toBe(0)
    expect(said).toContain('explained: xen-hypervisor 2001:4.17.4-5.fc37')
    expect(said).toContain(
      '`aem-reseal start`, before the restart: xen-hypervisor 4.17.4-6.fc37 came in this boot',
    )
    expect(said).not.toContain('explained: xen-hypervisor 2001:4.17.4-6.fc37')
  })

  it('`start` seals forward to the new one at once', async () => {
    expect((await resume()).exit).toBe(0)
    const started = await typeStart(makeSimulatedHost(machine), 'forward-seal')
    expect(started.exit, started.said).toBe(3)
    restartMachine(machine)
    expect(isSecretShown(machine)).toBe(true)
    expect((await resume()).exit).toBe(0)
  })
})

describe.each([
  ['Xen', laterXen],
  ['a kernel', laterKernel],
])('%s, after a blind boot that was accepted', (_what, later) => {
  it('no secret is demanded of the next boot, which is explained', async () => {
    await begin('plain')
    later()
    const { exit, said } = await resume()
    expect(exit, said).toBe(3)
    expect(said).not.toContain('MUST appear')
    expect(said).toContain('`aem-reseal cancel`, then `aem-reseal start`')
    restartMachine(machine)
    expect(isSecretShown(machine)).toBe(false)
    expect(await explain()).toMatchObject({ exit: 0, verdict: 'explained' })
  })

  it('the order that is given ends with a secret at the next boot', async () => {
    await begin('plain')
    later()
    await resume()
    const host = makeSimulatedHost(machine)
    expect((await typeCancel(host)).exit).toBe(0)
    const started = await typeStart(host, 'forward-seal', {})
    expect(started.exit, started.said).toBe(3)
    expect(started.asked).not.toContain('ground-go-on')
    restartMachine(machine)
    expect(isSecretShown(machine)).toBe(true)
    expect((await resume()).exit).toBe(0)
  })

  it('that came after the acceptance is explained too', async () => {
    await begin('plain')
    const accepted = await resume()
    expect([accepted.exit, accepted.said]).toEqual([3, expect.stringContaining('MUST appear')])
    later()
    restartMachine(machine)
    expect(await explain()).toMatchObject({ exit: 0, verdict: 'explained' })
    const resumed = await resume()
    expect(resumed.exit, resumed.said).toBe(3)
    restartMachine(machine)
    expect(isSecretShown(machine)).toBe(true)
    expect((await resume()).exit).toBe(0)
  })

  it.each([
    ['Xen', () => put(machine, XEN_IMAGE, changeOneByte)],
    [
      'the initramfs',
      () => {
        const name = later === laterKernel ? `initramfs-${LATER_KERNEL}.img` : INITRAMFS
        put(machine, name, (old) => Buffer.concat([old, Buffer.from('evil')]))
      },
    ],
  ])('accounts for no change of %s beside it', async (_name, change) => {
    await begin('plain')
    expect((await resume()).exit).toBe(3)
    later()
    change()
    restartMachine(machine)
    expect(await explain()).toMatchObject({ exit: 4, verdict: 'unexplained' })
  })
})

it('without a further update the next boot after an accepted one may change nothing', async () => {
  await begin('plain')
  expect((await resume()).exit).toBe(3)
  put(machine, XEN_IMAGE, changeOneByte)
  restartMachine(machine)
  expect(await explain()).toMatchObject({ exit: 4, verdict: 'unexplained' })
  expect((await type(['status'], makeSimulatedHost(machine))).exit).toBe(0)
})
