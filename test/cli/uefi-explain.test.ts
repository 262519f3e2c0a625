import { describe, expect, it } from 'vitest'
import { ABSENT } from '../../src/host/host.ts'
import { makeRecordedHost } from '../../src/host/recorded.ts'
import { observeDom0 } from '../../src/observe/dom0/dom0.ts'
import { observeBaseline } from '../../src/observe/launch/baseline.ts'
import { observeExplanation } from '../../src/observe/launch/explanation.ts'
import { aSession } from '../support/built-in.ts'
import { configurationOf, KERNEL_LINE, type UefiParts, uefiDom0, XEN_LINE } from '../support/uefi-dom0.ts'

type Kind = 'amd-uefi' | 'intel-uefi'

/** The package was installed, `start` recorded what was there, and this boot came from it. */
async function explainUpdate(kind: Kind, now: UefiParts = {}, expected: string[] = ['xen-hypervisor']) {
  const earlier = await makeRecordedHost(uefiDom0({ kind }).write())
  const baseline = await observeBaseline(observeDom0(earlier), [13, 17, 18])
  expect(baseline?.bootFiles.map(({ path }) => path)).toContain('/boot/efi/EFI/qubes/xen-4.17.4.efi')
  const session = aSession({
    baseline,
    expectation: {
      bulletins: [103],
      bulletinPcrs: [18, 19],
      mayChange: [17, 18, 19],
      changedPackages: expected,
      downgrades: [],
      xenBuildId: null,
      deviceUuid: null,
    } as never,
  })
  const machine = uefiDom0({ kind, isXenUpdated: true, ...now })
  const image = machine.files.get('/boot/xen-4.17.4.gz')
  expect(image).toBeDefined()
  const found = await observeExplanation(
    observeDom0(await makeRecordedHost(machine.write())),
    session,
    ABSENT,
  )
  return { ...found, codes: found.reasons.filter((one) => one.isBlocking).map(({ code }) => code) }
}

describe.each<Kind>(['amd-uefi', 'intel-uefi'])('after the restart into an update of Xen, %s', (kind) => {
  it('Xen alone is not proven, and nothing is said of a lost machine', async () => {
    const { verdict, codes, advice, pcrs } = await explainUpdate(kind)
    expect(codes).toEqual(['xen-not-computable'])
    expect(verdict).toBe('not-computable')
    expect(advice.join(' ')).toContain('accepted, not proven')
    expect(advice.join(' ')).not.toContain('lost')
    const causes = pcrs.flatMap((pcr) => pcr.causes)
    expect(causes.map(({ role, package: owner }) => [role, owner?.name])).toEqual([['xen', 'xen-hypervisor']])
  })

  it.each<[string, UefiParts]>([
    ["Xen's EFI program", { esp: { 'xen-4.17.4.efi': 'MZ evil' } }],
    ["Xen's configuration", { configuration: configurationOf(`${XEN_LINE} iommu=no`) }],
    [
      "Xen's line, as it was measured",
      { configuration: configurationOf(`${XEN_LINE} iommu=no`), boot: { xen: `${XEN_LINE} iommu=no` } },
    ],
    [
      "the kernel's line",
      {
        boot: { kernel: `${KERNEL_LINE} init=/bin/sh` },
        configuration: configurationOf(XEN_LINE, `${KERNEL_LINE} init=/bin/sh`),
      },
    ],
    ['the copy of the kernel', { esp: { 'aem-vmlinuz-6.6.36-1.qubes.fc37.x86_64': 'MZ evil' } }],
    ['the copy of the initramfs', { esp: { 'aem-initramfs-6.6.36-1.qubes.fc37.x86_64.img': 'evil' } }],
  ])('a contradiction beside it is unexplained: %s', async (_, parts) => {
    const { verdict } = await explainUpdate(kind, parts)
    expect(verdict).toBe('unexplained')
  })
})
