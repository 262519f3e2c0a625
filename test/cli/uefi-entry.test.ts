import { describe, expect, it } from 'vitest'
import { parseXenSection } from '../../src/core/launch/xen-cfg.ts'
import { makeRecordedHost } from '../../src/host/recorded.ts'
import { checkGrub } from '../../src/observe/device/check-grub.ts'
import { findBootedDevice, observeDevices } from '../../src/observe/device/devices.ts'
import { observeDom0 } from '../../src/observe/dom0/dom0.ts'
import { observeMachine } from '../../src/observe/dom0/machine.ts'
import { aemDom0, INTERNAL_UUID, STICK_UUID } from '../support/recorded-machine.ts'

const KERNEL = 'vmlinuz-6.6.36-1.qubes.fc37.x86_64'
/** As TrenchBoot/qubes-antievilmaid 18a0a74, etc/grub.d/19_linux_xen_trenchboot, writes them. */
const menu = (xen = '4.17.4') => `set esp_dev="$root"
search --no-floppy --fs-uuid --set=root ${INTERNAL_UUID}
set root_dev="$root"
menuentry 'AEM Qubes, with Xen hypervisor' $menuentry_id_option 'x' {
	echo	'Enabling slaunch ...'
	slaunch
	set root="$esp_dev"
	chainloader	/EFI/qubes/xen-${xen}.efi ${KERNEL}
	slaunch_module	($root_dev)/SKL.BIN
}
`
const configuration = (uuid = INTERNAL_UUID, kernel = `aem-${KERNEL}`) =>
  `    [${KERNEL}]\n    options=placeholder no-real-mode edd=off\n    kernel=${kernel} placeholder root=/dev/q ro aem.uuid=${uuid}\n    ramdisk=aem-initramfs.img\n`

async function check(grub: string, cfg: string | null) {
  const machine = aemDom0()
    .withTrenchBoot()
    .withFile('/sys/firmware/efi/runtime', '0x0\n')
    .withFile('/boot/grub2/grub.cfg', grub)
  if (cfg !== null) machine.withFile('/boot/efi/EFI/qubes/xen-4.17.4.cfg', cfg)
  const host = await makeRecordedHost(machine.write())
  const facts = await observeMachine(host)
  const device = findBootedDevice(await observeDevices(host, facts), facts.aemUuid)
  return checkGrub(observeDom0(host), '/boot', device!)
}

describe("the UEFI form of AEM's entry", () => {
  it('is current where it starts the installed Xen, and its configuration names this device', async () => {
    expect(await check(menu(), configuration())).toMatchObject({ state: 'current' })
  })

  it.each([
    ['another Xen', menu('4.17.3'), configuration(), 'unknown'],
    ['another device', menu(), configuration(STICK_UUID), 'stale'],
    ['no configuration', menu(), null, 'unknown'],
    ['no such section', menu(), '[other]\nkernel=x\n', 'unknown'],
  ])('is not with %s', async (_, grub, cfg, state) => {
    expect(await check(grub, cfg)).toMatchObject({ state })
  })
})

describe("a section of Xen's configuration", () => {
  it('is the first of its name, with the first value of a key', () => {
    const text = '#x\n[a]\nkernel=k1 one\n# kernel=no\nkernel=k2\r\n[b]\noptions=o\n[a]\nramdisk=r\n'
    expect(parseXenSection(text, 'a')).toMatchObject({ options: null, kernel: 'k1 one', ramdisk: null })
    expect(parseXenSection(text, 'b')).toMatchObject({ options: 'o', kernel: null, ramdisk: null })
    expect(parseXenSection(text, 'c')).toBeNull()
  })
})
