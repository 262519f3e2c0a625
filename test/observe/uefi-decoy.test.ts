import { expect, it } from 'vitest'
import { makeRecordedHost } from '../../src/host/recorded.ts'
import { observeDom0 } from '../../src/observe/dom0/dom0.ts'
import { observePrediction } from '../../src/observe/launch/prediction.ts'
import { INTERNAL_UUID, STICK_UUID } from '../support/recorded-machine.ts'
import {
  configurationOf,
  grubOf,
  INITRAMFS_BYTES,
  KERNEL_BYTES,
  KERNEL_LINE,
  uefiDom0,
  XEN_LINE,
} from '../support/uefi-dom0.ts'

/*
 * A stick in UEFI form that is mounted for a look: what boots lies on its EFI system partition, which is another file system and not mounted.
 * A directory /efi on the partition that is looked at is a decoy of whoever held the stick.
 */
it('what lies in a directory /efi of the stick itself vouches for no boot from its EFI system partition', async () => {
  const RELEASE = '6.6.36-1.qubes.fc37.x86_64'
  const at = `devices/${STICK_UUID}`
  const decoy = `${at}/efi/EFI/qubes`
  const machine = uefiDom0()
    .withStick()
    .withFile(`${at}/grub2/grub.cfg`, grubOf().replaceAll(INTERNAL_UUID, STICK_UUID))
    .withFile(`${at}/SKL.BIN`, 'SKL')
    .withFile(`${decoy}/xen-4.17.4.efi`, 'MZ xen.efi')
    .withFile(`${decoy}/xen-4.17.4.cfg`, configurationOf(XEN_LINE, KERNEL_LINE))
    .withFile(`${decoy}/aem-vmlinuz-${RELEASE}`, KERNEL_BYTES)
    .withFile(`${decoy}/aem-initramfs-${RELEASE}.img`, INITRAMFS_BYTES)
  const host = await makeRecordedHost(machine.write())
  const dom0 = observeDom0(host)
  const device = (await dom0.devices()).devices.find(({ uuid }) => uuid === STICK_UUID)!
  const found = await observePrediction(dom0, [18], { device, known: new Map() })
  expect(found.prediction.pcrs.every(({ predicted }) => predicted === null)).toBe(true)
})
