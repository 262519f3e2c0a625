import { beforeEach, describe, it } from 'vitest'
import { KERNEL_RELEASE, type SimMachine } from '../../../src/host/simulated/model.ts'
import { editEntries, expectCaught, putOnBoot } from '../../support/attack.ts'
import { machineOf } from '../../support/built-in.ts'

/* Commands in an entry of grub.cfg that AEM's scripts do not write. Every file that they name is there. */

let machine: SimMachine
beforeEach(() => {
  machine = machineOf('clean-update')
})

describe('a command that AEM does not write', () => {
  it.each([
    ['linux', `\tlinux /vmlinuz-${KERNEL_RELEASE} init=/evil\n\tinitrd /initramfs-${KERNEL_RELEASE}.img\n`],
    ['chainloader', '\tchainloader /efi/evil.efi\n'],
    ['acpi', '\tacpi /evil.aml\n'],
    ['write_dword', '\twrite_dword 0xfed40000 0x1\n'],
  ])('%s in the entry', async (command, lines) => {
    putOnBoot(machine, '/evil.aml', Buffer.from('DSDT'))
    putOnBoot(machine, '/efi/evil.efi', Buffer.from('MZ evil'))
    editEntries(machine, (entry) => entry.replace(/\n([ \t]*)\}\n$/, `\n${lines}$1}\n`))
    await expectCaught(machine, new RegExp(`\\b${command}\\b`))
  })
})
