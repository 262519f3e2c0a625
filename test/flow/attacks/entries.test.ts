import { beforeEach, describe, expect, it } from 'vitest'
import { makeKernelImage } from '../../../src/host/simulated/boot-images.ts'
import { INTERNAL } from '../../../src/host/simulated/build.ts'
import { bootFilesOf, KERNEL_RELEASE, type SimMachine, sha256 } from '../../../src/host/simulated/model.ts'
import { restartMachine } from '../../../src/host/simulated/power.ts'
import {
  editEntries,
  expectCaught,
  putEntryInFront,
  putOnBoot,
  resumeRun,
  startRun,
} from '../../support/attack.ts'
import { machineOf } from '../../support/built-in.ts'

/* What an entry of grub.cfg loads, and the commands in it, before `start`. Everything named is a file that is there. */

const OLD_RELEASE = '6.6.30-1.qubes.fc37.x86_64'
const TBOOT_EVIL = '/tboot-evil.gz'

let machine: SimMachine
beforeEach(() => {
  machine = machineOf('clean-update')
})

const loadLine = (name: string): RegExp => new RegExp(`^\\s*(?:multiboot|module)\\s+/${name}[^\\n]*\\n`, 'm')

describe('is caught before the restart', () => {
  it("the signed kernel in Xen's place, with an honest AEM entry behind it", async () => {
    putEntryInFront(machine, (entry) =>
      entry
        .replace(
          loadLine('xen'),
          `\tmodule /vmlinuz-${KERNEL_RELEASE} placeholder init=/evil aem.uuid=${INTERNAL.uuid}\n`,
        )
        .replace(loadLine(`vmlinuz-[^\\n]*rhgb`), ''),
    )
    await expectCaught(machine, /\/vmlinuz-6\.6\.36-1\.qubes\.fc37\.x86_64 stands where Xen belongs/)
  })

  it("the signed kernel in Xen's place, in all entries", async () => {
    editEntries(machine, (entry) =>
      entry.replace(loadLine('xen'), `\tmodule /vmlinuz-${KERNEL_RELEASE} placeholder init=/evil\n`),
    )
    await expectCaught(machine, /\/vmlinuz-6\.6\.36-1\.qubes\.fc37\.x86_64/)
  })

  it('an old signed kernel, with its own initramfs', async () => {
    const image = makeKernelImage(OLD_RELEASE)
    const kernel = machine.packages.find(({ name }) => name === 'kernel')!
    machine.packages.push({
      ...kernel,
      evr: '1000:6.6.30-1.qubes.fc37',
      installedAtMs: kernel.installedAtMs - 1000,
      files: new Map([[`/boot/vmlinuz-${OLD_RELEASE}`, sha256(image)]]),
    })
    putOnBoot(machine, `/vmlinuz-${OLD_RELEASE}`, image)
    putOnBoot(
      machine,
      `/initramfs-${OLD_RELEASE}.img`,
      bootFilesOf(machine).get(`initramfs-${KERNEL_RELEASE}.img`)!.bytes,
    )
    editEntries(machine, (entry) => entry.replaceAll(KERNEL_RELEASE, OLD_RELEASE))
    await expectCaught(machine, /6\.6\.30-1\.qubes\.fc37/)
  })

  it('another file in the place of tboot', async () => {
    putOnBoot(machine, TBOOT_EVIL, Buffer.from('tboot of somebody else'))
    editEntries(machine, (entry) => entry.replace('/tboot.gz', TBOOT_EVIL))
    await expectCaught(machine, /\/tboot-evil\.gz/)
  })

  it('the same file as tboot under another name', async () => {
    putOnBoot(machine, TBOOT_EVIL, bootFilesOf(machine).get('tboot.gz')!.bytes)
    editEntries(machine, (entry) => entry.replace('/tboot.gz', TBOOT_EVIL))
    await expectCaught(machine, /\/tboot-evil\.gz/)
  })

  it('a further module', async () => {
    putOnBoot(machine, '/xenpolicy', Buffer.from('a policy'))
    editEntries(machine, (entry) => entry.replace(/\n([ \t]*)\}\n$/, '\n\tmodule /xenpolicy\n$1}\n'))
    await expectCaught(machine, /\/xenpolicy/)
  })

  it('no initramfs', async () => {
    editEntries(machine, (entry) => entry.replace(loadLine('initramfs'), ''))
    await expectCaught(machine, /the entry loads 2 modules, this boot measured 3: one is left out/)
  })

  it("an initramfs of another kernel's name", async () => {
    putOnBoot(machine, '/initramfs-other.img', Buffer.from('an initramfs of somebody else'))
    editEntries(machine, (entry) => entry.replace(`/initramfs-${KERNEL_RELEASE}.img`, '/initramfs-other.img'))
    await expectCaught(machine, /\/initramfs-other\.img/)
  })
})

describe('and was it booted blindly, the alarm comes after the restart', () => {
  it("the signed kernel in Xen's place, put there between `start` and the restart", async () => {
    expect((await startRun(machine)).exit).toBe(3)
    editEntries(machine, (entry) =>
      entry
        .replace(
          loadLine('xen'),
          `\tmodule /vmlinuz-${KERNEL_RELEASE} placeholder init=/evil aem.uuid=${INTERNAL.uuid}\n`,
        )
        .replace(loadLine('vmlinuz-[^\\n]*rhgb'), ''),
    )
    restartMachine(machine)
    expect(machine.booted?.xen).toBeNull()
    expect(machine.journal.join('\n')).not.toMatch(/Freshness token valid/)
    const { exit } = await resumeRun(machine)
    expect([1, 4]).toContain(exit)
  })
})
