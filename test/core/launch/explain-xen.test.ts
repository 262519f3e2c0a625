/* Long: a changed Xen and the name that changed with it, each with all that speaks against it. */

import { describe, expect, it } from 'vitest'
import { Failure } from '../../../src/core/failure.ts'
import type { ExplanationInput, FileFact, MeasuredComponent } from '../../../src/core/launch/explain-types.ts'
import {
  bootInfoReason,
  checkEntered,
  checkXen,
  isFileNameAlone,
} from '../../../src/core/launch/explain-xen.ts'
import { eventsOf, type Kind } from '../../support/trenchboot-launch.ts'
import { codesOf, component, digestsOf, factOf, KERNEL, look, XEN } from './explain-world.ts'
import { SIGNED } from './launch-world.ts'
import { entry, KERNEL_LINE, launch, mleOf, parse } from './trenchboot-world.ts'

const FACTS = mleOf(launch('intel-bios'))
const FILE = factOf(XEN, 'the file', { package: SIGNED, xen: FACTS })
const xen = (digests: MeasuredComponent['digests']) => component('xen', XEN, '', { digests })
const onLaunch = (kind: Kind, changes: Partial<ExplanationInput> = {}) =>
  look({ log: parse(eventsOf(launch(kind))), booted: entry(launch(kind)), ...changes })

describe('a changed Xen of TrenchBoot', () => {
  const { header, rounded, 'rounded-patched': patched } = FACTS.digests
  const noLog = new Failure({ code: 'log-unreadable', what: 'w', why: null, next: 'n' })

  it.each([
    ['measured by its header', onLaunch('intel-bios'), xen(header), FILE],
    ['measured as a whole', onLaunch('amd-bios'), xen(rounded), FILE],
    ['measured with its header rewritten', onLaunch('intel-bios'), xen(patched), FILE],
    ['of no readable log', look({ log: noLog }), xen(header), FILE],
    ['of no log', look(), xen(patched), FILE],
    [
      'of a log that tells no launch',
      look({ log: { ...parse(eventsOf(launch('amd-bios'))), launch: null } }),
      xen(patched),
      FILE,
    ],
    [
      'entered where its file says',
      onLaunch('amd-bios'),
      component('xen-entry', XEN, '', { digests: FACTS.entry }),
      FILE,
    ],
  ])('is accounted for: %s', (_, input, now, file) => {
    expect(checkXen(input, now, file, 17)).toEqual([])
  })

  it.each<[string, ExplanationInput, MeasuredComponent, FileFact | null, string[]]>([
    ['without a file', onLaunch('amd-bios'), xen(header), null, ['file-missing']],
    ['of an unread file', onLaunch('amd-bios'), xen(header), { ...FILE, image: null }, ['file-missing']],
    ['of another digest', onLaunch('amd-bios'), xen(digestsOf('evil')), FILE, ['file-differs-from-launch']],
    [
      'rewritten on AMD, where no GRUB does that',
      onLaunch('amd-bios'),
      xen(patched),
      FILE,
      ['file-differs-from-launch'],
    ],
    ['measured as its entry is', onLaunch('amd-bios'), xen(FACTS.entry), FILE, ['file-differs-from-launch']],
    [
      'entered elsewhere',
      onLaunch('amd-bios'),
      component('xen-entry', XEN, '', { digests: header }),
      FILE,
      ['file-differs-from-launch'],
    ],
    [
      'without a launch hash',
      onLaunch('amd-bios'),
      xen(header),
      { ...FILE, xen: null },
      ['xen-not-computable'],
    ],
    [
      'of a file nobody asked',
      onLaunch('amd-bios'),
      xen(header),
      factOf(XEN, 'the file', { package: SIGNED }),
      ['xen-not-computable'],
    ],
    ['on UEFI', onLaunch('amd-uefi'), xen(header), FILE, ['xen-not-computable']],
    ['without a package', onLaunch('intel-uefi'), xen(header), { ...FILE, package: null }, ['no-package']],
    [
      'under the name of a kernel',
      onLaunch('intel-uefi'),
      xen(header),
      { ...FILE, path: KERNEL },
      ['wrong-file'],
    ],
    [
      'of no package under another name',
      onLaunch('amd-bios'),
      xen(header),
      { ...FILE, path: KERNEL, package: null },
      ['wrong-file', 'no-package'],
    ],
  ])('is not: %s', (_, input, now, file, codes) => {
    const reasons = checkXen(input, now, file, 17)
    expect(codesOf(reasons)).toEqual(codes)
    for (const reason of reasons) {
      expect(reason).toMatchObject({ pcr: 17, isBlocking: true })
      expect(reason.what).toContain(file?.path ?? XEN)
    }
  })

  it('is named by the file that it was found in', () => {
    const [reason] = checkXen(look(), component('xen', null, 'evil'), FILE, 17)
    expect(reason?.what).toContain(`the Xen image ${XEN}`)
  })

  it('on UEFI is told with the package that it came with', () => {
    const [reason] = checkXen(onLaunch('intel-uefi'), xen(header), FILE, 17)
    expect(reason?.what).toContain('the update to xen-hypervisor 2001:4.17.4-4.fc37 (signed, as packaged)')
  })

  it.each<[Kind, boolean, string[]]>([
    ['intel-uefi', true, ['xen-not-computable']],
    ['intel-uefi', false, ['package-older-than-last-boot']],
    ['intel-bios', true, ['package-older-than-last-boot']],
  ])('is no older one where its modules moved it: %s, moved %s', (kind, areModulesChanged, codes) => {
    const input = onLaunch(kind, { areModulesChanged, packagesBefore: [`${SIGNED.name} ${SIGNED.evr}`] })
    expect(codesOf(checkXen(input, xen(header), FILE, 17))).toEqual(codes)
  })
})

describe('a file name that an update changed on UEFI', () => {
  const DIRECTORY = '/efi/EFI/qubes'
  const kernelPath = `${DIRECTORY}/aem-vmlinuz-6.6`
  const ramdiskPath = `${DIRECTORY}/aem-initramfs-6.6.img`
  const line = (path: string, text: string) => component('command-line', path, text, { pcr: 18 })
  const old = line(`${DIRECTORY}/aem-vmlinuz-6.1`, 'another')
  const kernel = line(kernelPath, `aem-vmlinuz-6.6 ${KERNEL_LINE}`)
  const ramdisk = line(ramdiskPath, 'aem-initramfs-6.6.img')
  const input = onLaunch('intel-uefi')
  const booted = input.booted!
  const [vmlinuz, initramfs] = launch('intel-uefi').modules
  const withModules = (...modules: { name: string; options: string; bytes: string }[]) =>
    onLaunch('intel-uefi', { booted: entry(launch('intel-uefi', { modules })) })

  it.each([
    ['of the kernel', kernel],
    ['of the initramfs', ramdisk],
  ])('is alone in what changed: %s', (_, now) => {
    expect(isFileNameAlone(input, now, old)).toBe(true)
  })

  const more = { name: 'microcode', options: '', bytes: 'm' }
  it.each<[string, ExplanationInput, MeasuredComponent, MeasuredComponent | null]>([
    ['a launch on BIOS', { ...input, log: parse(eventsOf(launch('intel-bios'))) }, kernel, old],
    ['no log', { ...input, log: null }, kernel, old],
    ['no entry', { ...input, booted: null }, kernel, old],
    [
      'a file that the entry does not name',
      input,
      line(`${DIRECTORY}/vmlinuz-6.7`, `aem-vmlinuz-6.6 ${KERNEL_LINE}`),
      old,
    ],
    ['nothing before', input, kernel, null],
    ['a module before', input, kernel, { ...old, role: 'kernel' }],
    ["Xen's options before", input, kernel, { ...old, path: booted.launcher!.path }],
    ['other command lines', { ...input, areLinesSame: false }, kernel, old],
    ['command lines that nobody compared', { ...input, areLinesSame: null }, kernel, old],
    ['another digest', input, line(kernelPath, `aem-vmlinuz-6.6 ${KERNEL_LINE} init=/bin/sh`), old],
    [
      'an initramfs with options',
      {
        ...input,
        booted: { ...booted, modules: [booted.modules[0]!, { ...booted.modules[1]!, commandLine: 'x' }] },
      },
      line(ramdiskPath, 'aem-initramfs-6.6.img x'),
      old,
    ],
    [
      'an initramfs of another kernel',
      withModules({ ...vmlinuz!, name: 'aem-vmlinuz-6.7' }, initramfs!),
      ramdisk,
      old,
    ],
    [
      'a kernel of a name that no kernel has',
      withModules({ ...vmlinuz!, name: 'aem-linux' }, initramfs!),
      line(`${DIRECTORY}/aem-linux`, `aem-linux ${KERNEL_LINE}`),
      old,
    ],
    [
      'a further module',
      withModules(vmlinuz!, initramfs!, more),
      line(`${DIRECTORY}/microcode`, 'microcode'),
      old,
    ],
  ])('is not alone: %s', (_, look, now, before) => {
    expect(isFileNameAlone(look, now, before)).toBe(false)
  })
})

it.each<[string, MeasuredComponent[], string[]]>([
  ['of the same Xen', [component('xen-entry', XEN, 'entry')], ['platform-changed']],
  [
    'beside another module',
    [component('kernel', KERNEL, 'k'), component('xen-entry', XEN, 'entry')],
    ['platform-changed'],
  ],
  ['of another Xen', [component('xen-entry', XEN, 'entry'), component('xen', XEN, 'xen')], []],
  ['unchanged, of another Xen', [component('xen', XEN, 'xen')], []],
])('another place to enter: %s', (_, changed, codes) => {
  const gone = { before: component('xen', XEN, 'gone'), now: null }
  const pairs = [...changed.map((now) => ({ before: null, now })), gone]
  expect(codesOf(checkEntered(pairs, 17))).toEqual(codes)
})

it.each<[string, string | undefined, boolean | null, string]>([
  ['after an update, with the previous lines', 'bb', true, 'boot-info-not-computable'],
  ['after an update, with other lines', 'bb', false, 'platform-changed'],
  ['after an update, with lines that nobody compared', 'bb', null, 'platform-changed'],
  ['after no update', 'aa', true, 'platform-changed'],
  ['after no update, with other lines', 'aa', false, 'platform-changed'],
  ['while PCR 17 cannot be read, with the previous lines', undefined, true, 'platform-changed'],
])('boot information that changed %s', (_, drtm, areLinesSame, code) => {
  const input = look({
    before: { pcrs: { sha256: { 17: 'aa', 18: 'cc' } }, components: null },
    pcrsNow: { sha256: { ...(drtm !== undefined && { 17: drtm }), 18: 'dd' } },
    areLinesSame,
  })
  expect(bootInfoReason(input, 18)).toMatchObject({ code, pcr: 18, isBlocking: true })
})

it('boot information that changed since a boot of which nothing is known is no update', () => {
  const input = look({ before: null, pcrsNow: { sha256: { 17: 'bb', 18: 'dd' } }, areLinesSame: true })
  expect(bootInfoReason(input, 18).code).toBe('platform-changed')
})
