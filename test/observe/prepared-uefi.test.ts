import { expect, it } from 'vitest'
import { makeRecordedHost } from '../../src/host/recorded.ts'
import { bootFileRole } from '../../src/observe/device/boot-files.ts'
import { observeDom0 } from '../../src/observe/dom0/dom0.ts'
import { observeBaseline } from '../../src/observe/launch/baseline.ts'
import { observePrepared, observePreparedness } from '../../src/observe/launch/prepared.ts'
import { aSession } from '../support/built-in.ts'
import type { RecordedDom0 } from '../support/recorded-machine.ts'
import { sklFile } from '../support/trenchboot-launch.ts'
import { ESP, uefiDom0 } from '../support/uefi-dom0.ts'

/* TrenchBoot on UEFI: what boots next lies on two file systems, and is looked at on both until the restart. */

const look = async (machine: RecordedDom0) => observeDom0(await makeRecordedHost(machine.write()))

async function prepared() {
  const dom0 = await look(uefiDom0())
  const baseline = await observeBaseline(dom0, [13, 17, 18])
  if (baseline === null) throw new Error('there is no baseline')
  const session = aSession({ baseline })
  return { ...session, prepared: await observePrepared(dom0, session) }
}

const KERNEL = `${ESP}/aem-vmlinuz-6.6.36-1.qubes.fc37.x86_64`

it('an honest machine on UEFI is prepared for what `start` noted', async () => {
  const session = await prepared()
  expect(session.prepared?.files.map(({ name }) => name)).toEqual(
    expect.arrayContaining(['/SKL.BIN', '/efi/EFI/qubes/xen-4.17.4.efi']),
  )
  expect(await observePreparedness(await look(uefiDom0()), session)).toEqual({
    state: 'fits',
    changes: [],
    notCompared: [],
  })
})

it.each([
  ['a kernel of the EFI system partition', KERNEL, 'MZ another kernel\n'],
  ["Xen's EFI program", `${ESP}/xen-4.17.4.efi`, 'MZ another xen.efi'],
  ['the SKL', '/boot/SKL.BIN', sklFile('another SKL')],
])('%s changed since is named', async (_what, path, content) => {
  const found = await observePreparedness(
    await look(uefiDom0().withFile(path, Buffer.from(content))),
    await prepared(),
  )
  expect(found?.state).toBe('outdated')
  expect(found?.changes.map(({ what }) => what)).toContain(`${path.slice('/boot'.length)} changed`)
})

it('a file that went from the EFI system partition is named', async () => {
  const machine = uefiDom0({ esp: { 'xen-4.17.4.efi': null } })
  const found = await observePreparedness(await look(machine), await prepared())
  expect(found?.changes.map(({ what }) => what)).toContain(
    '/efi/EFI/qubes/xen-4.17.4.efi is not there any more',
  )
})

it.each([
  ['SKL.BIN', 'sinit'],
  ['skl.bin', 'sinit'],
  ['SNB_IVB_SINIT_20190708_PW.BIN', 'sinit'],
  ['my-skl.bin', null],
])('%s is what AEM hands to the launch: %s', (name, role) => {
  expect(bootFileRole(name)).toBe(role)
})
