import { beforeEach, describe, expect, it } from 'vitest'
import { INTERNAL, installInitramfsInput, installKernel, STICK } from '../../../src/host/simulated/build.ts'
import { initramfsOf } from '../../../src/host/simulated/initramfs.ts'
import { findDevice, KERNEL_RELEASE, type SimMachine } from '../../../src/host/simulated/model.ts'
import { restartMachine } from '../../../src/host/simulated/power.ts'
import { DAMAGES } from '../../core/initramfs/damages.ts'
import { approveBoot, editEntries, expectCaught, forwardStick, sealedFiles } from '../../support/attack.ts'
import { machineOf } from '../../support/built-in.ts'

/*
 * An initramfs that dom0 did not make. RPM knows no digest of it, and what it is made from is updated now and then: none of
 * that may vouch for it.
 */

const IMAGE = `/initramfs-${KERNEL_RELEASE}.img`
const HOUR_MS = 3600 * 1000
const WORDS = { kernel: ' -f\n', firmware: ` -f --kver '${KERNEL_RELEASE}'\n` } as const

let machine: SimMachine
beforeEach(() => {
  machine = machineOf('clean-update')
})

/** The image that dom0 would make, but for AEM's hook in it. */
function tampered(words: string = WORDS.kernel): Uint8Array {
  const packages = machine.packages
  machine.packages = packages.map((item) =>
    item.name === 'anti-evil-maid' ? { ...item, evr: '0:6.6.6-evil' } : item,
  )
  const image = initramfsOf(machine, KERNEL_RELEASE, words)
  machine.packages = packages
  return image
}

function put(bytes: Uint8Array, uuid = INTERNAL.uuid): void {
  findDevice(machine, uuid)?.files.set(IMAGE, { bytes, mtimeMs: machine.nowMs })
}

const HOOK = /90-anti-evil-maid\.sh/

describe('an initramfs with another hook in it, put on the device before `start`', () => {
  it('alone', async () => {
    put(tampered())
    await expectCaught(machine, HOOK)
  })

  it('where dracut was updated before this boot, and the clock was set back since', async () => {
    installInitramfsInput(machine, 'dracut', '0:059-5.fc37')
    machine.bootTimeMs = machine.nowMs - HOUR_MS
    put(tampered())
    await expectCaught(machine, HOOK)
  })

  it('where dracut was updated after this boot began', async () => {
    installInitramfsInput(machine, 'dracut', '0:059-5.fc37')
    put(tampered())
    await expectCaught(machine, HOOK)
  })

  it('where another kernel was updated', async () => {
    const other = '6.6.30-2.qubes.fc37.x86_64'
    installKernel(machine, other, 'kernel-latest')
    // as in the submenu of a true grub.cfg: the other kernel has an entry too, and does not boot
    editEntries(machine, (entry) => `${entry}${entry.replaceAll(KERNEL_RELEASE, other)}`)
    put(tampered())
    await expectCaught(machine, HOOK)
  })

  it.each(['microcode_ctl', 'linux-firmware'] as const)('where %s was updated', async (name) => {
    machine.nowMs += HOUR_MS
    installInitramfsInput(machine, name, '2:9.9-1.fc37')
    put(tampered(WORDS.firmware))
    await expectCaught(machine, HOOK)
  })

  it('where the words that it was made with are of nobody', async () => {
    put(tampered(' -f --add evil\n'))
    await expectCaught(machine, /--add evil/)
  })
})

describe('an archive that the kernel reads otherwise than zlib and `gzip -dc`', () => {
  it.each(DAMAGES)('$name', async ({ image, form }) => {
    put(image())
    await expectCaught(machine, new RegExp(form.source.replace(/^\^/, '').replace(/\$$/, '')))
  })
})

describe('on a second device, before `devices forward-seal`', () => {
  beforeEach(async () => {
    machine = machineOf('two-devices')
    machine.bootDevice = INTERNAL.uuid
    restartMachine(machine)
    await approveBoot(machine)
  })

  it('another hook', async () => {
    put(tampered(' --force\n'), STICK.uuid)
    const before = sealedFiles(machine)
    const run = await forwardStick(machine)
    expect(sealedFiles(machine)).toEqual(before)
    expect(run.said).toMatch(HOOK)
    expect(run.exit).toBe(1)
  })
})
