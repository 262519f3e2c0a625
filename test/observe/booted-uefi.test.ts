import { describe, expect, it } from 'vitest'
import { makeRecordedHost } from '../../src/host/recorded.ts'
import { observeDom0 } from '../../src/observe/dom0/dom0.ts'
import { observeBootDeviceLaunch } from '../../src/observe/launch/launch.ts'
import { writeGrubEnvironment, writeQubesGrub } from '../support/grub/qubes-grub-writer.ts'
import { INTERNAL_UUID } from '../support/recorded-machine.ts'
import { configurationOf, grubOf, KERNEL_LINE, uefiDom0, XEN_LINE } from '../support/uefi-dom0.ts'

/* Which entry this boot came from, with grub.cfg as AEM's script writes it on UEFI: an entry, and the same in submenus. */

const RELEASE = '6.6.36-1.qubes.fc37.x86_64'
const OLD = '6.1.75-1.qubes.fc37.x86_64'

async function look(
  kernels: readonly string[],
  more = '',
  grubenv: string | null = writeGrubEnvironment(),
  ofXen = '',
) {
  const text = writeQubesGrub({
    flavour: 'trenchboot-uefi',
    uuid: INTERNAL_UUID,
    kernels,
    xenVersions: ['4.17.4'],
    sinit: ['SKL.BIN'],
    default: '0',
  })
  const configuration =
    kernels.map((kernel) => configurationOf(XEN_LINE, KERNEL_LINE, kernel)).join('') + ofXen
  const machine = uefiDom0({ configuration }).withFile('/boot/grub2/grub.cfg', text)
  machine.withFile('/boot/grub2/custom.cfg', more)
  if (grubenv !== null) machine.withFile('/boot/grub2/grubenv', grubenv)
  const launch = await launchOf(machine)
  return { path: launch.booted.entry?.titlePath ?? launch.booted.why, odd: launch.odd }
}

async function launchOf(machine: ReturnType<typeof uefiDom0>) {
  const host = await makeRecordedHost(machine.write())
  const dom0 = observeDom0(host)
  return observeBootDeviceLaunch(host, await dom0.booted(), await dom0.machine(), await dom0.log())
}

const FIRST = ['AEM Qubes, with Xen hypervisor']

describe('the entry of this boot', () => {
  it.each([
    ['one kernel', [RELEASE]],
    ['two kernels', [RELEASE, OLD]],
  ])('is the one that GRUB can start: %s', async (_what, kernels) => {
    expect(await look(kernels)).toEqual({ path: FIRST, odd: [] })
  })

  it('is not known, and nothing is odd, where grubenv cannot be read', async () => {
    expect(await look([RELEASE], '', null)).toEqual({
      path: expect.stringContaining('several entries'),
      odd: [],
    })
  })

  it.each([
    ['a file of its own', '    ucode=evil.bin\n', 'sets "ucode"'],
    ['a section for all', '[global]\ndefault=evil\n', 'has a section "global"'],
  ])("is odd where Xen's configuration names %s", async (_what, ofXen, words) => {
    const { odd } = await look([RELEASE], '', undefined, ofXen)
    expect(odd).toEqual([expect.stringContaining(words)])
  })

  it('cannot be told from one that takes Xen from another disk, which is named', async () => {
    const evil = `menuentry 'once' {\n slaunch\n set root="hd1,gpt1"\n chainloader /EFI/qubes/xen-4.17.4.efi vmlinuz-${RELEASE}\n slaunch_module ($root_dev)/SKL.BIN\n}\n`
    const { odd } = await look([RELEASE], evil)
    expect(odd).toEqual([
      '"once" of custom.cfg: chainloader takes Xen from another device than GRUB started from',
    ])
  })
})

describe('the entry that boots next, without what the processor launches by', () => {
  const nextOf = async (kind: 'amd-uefi' | 'intel-uefi', isNamed: boolean) => {
    const text = grubOf()
    const machine = uefiDom0({ kind }).withFile(
      '/boot/grub2/grub.cfg',
      isNamed ? text : text.replace(/^.*SINIT module.*\n.*slaunch_module.*\n/m, ''),
    )
    const launch = await launchOf(machine.withFile('/boot/grub2/grubenv', writeGrubEnvironment()))
    return { why: launch.next.why, sinit: launch.sinitUnchanged }
  }

  it('is refused on AMD, by name, and on Intel nothing is said of the SINIT module', async () => {
    expect((await nextOf('amd-uefi', true)).why).toBeNull()
    expect((await nextOf('amd-uefi', false)).why).toContain('no slaunch_module of it loads SKL.BIN')
    expect(await nextOf('intel-uefi', true)).toEqual({ why: null, sinit: true })
    expect(await nextOf('intel-uefi', false)).toEqual({ why: null, sinit: null })
  })
})
