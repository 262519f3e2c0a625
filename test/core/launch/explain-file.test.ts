/* Long: one table of what stands against a file and its package. */

import { describe, expect, it } from 'vitest'
import {
  checkFile,
  checkPackage,
  commandLineReason,
  describe as describeComponent,
  findFile,
  isSameImage,
} from '../../../src/core/launch/explain-file.ts'
import type { ExplanationInput, FileFact, MeasuredComponent } from '../../../src/core/launch/explain-types.ts'
import { moduleDigests } from '../../../src/core/launch/module-digest.ts'
import {
  codesOf,
  component,
  digestsOf,
  factOf,
  INITRAMFS,
  KERNEL,
  KERNEL_PACKAGE,
  look,
  XEN,
} from './explain-world.ts'
import { disk, entryOf, imageOf, SIGNED } from './launch-world.ts'

const kernel = factOf(KERNEL, 'kernel', { package: KERNEL_PACKAGE })
const initramfs = factOf(INITRAMFS, 'initramfs')
const booted = {
  ...entryOf(disk()),
  modules: [{ ...entryOf(disk()).modules[1]!, role: 'kernel' as const, path: KERNEL }],
}
const LINE = 'placeholder root=/dev/q ro'
const asTboot = (line: string, content: string) => moduleDigests(line, 'whole', digestsOf(content))

describe('the file of a component', () => {
  const files = [initramfs, kernel]

  it.each<[string, MeasuredComponent, Partial<ExplanationInput>, string | null]>([
    ['has the path that the entry names', component('kernel', KERNEL, 'evil'), {}, KERNEL],
    ['is no other one than the entry names', component('kernel', '/vmlinuz-other', 'kernel'), {}, null],
    ['gives its digest, where no entry is known', component('kernel', null, 'kernel'), {}, KERNEL],
    [
      'gives its digest with its command line, under tboot',
      component('kernel', null, '', { commandLine: LINE, digests: asTboot(LINE, 'kernel') }),
      { rule: 'whole' },
      KERNEL,
    ],
    [
      'gives its digest without one, under tboot',
      component('kernel', null, '', { digests: asTboot('', 'kernel') }),
      { rule: 'whole' },
      KERNEL,
    ],
    ['is none of another digest', component('kernel', null, 'evil'), {}, null],
    [
      'is none in a bank that was not measured',
      component('kernel', null, '', { digests: { sha1: digestsOf('kernel').sha1! } }),
      {},
      null,
    ],
    [
      'is none for the Xen of TrenchBoot, which is not measured as its file',
      component('xen', null, 'kernel'),
      {},
      null,
    ],
    [
      'is one for the Xen of tboot',
      component('xen', null, '', { digests: asTboot('', 'kernel') }),
      { rule: 'whole' },
      KERNEL,
    ],
  ])('%s', (_, one, changes, path) => {
    expect(findFile(look({ files, ...changes }), one)?.path ?? null).toBe(path)
  })

  it.each([
    ['was not read', null],
    ['could not be hashed as it is loaded', { ...imageOf('kernel'), problem: 'damaged' }],
    ['has no digest in this bank', { ...imageOf('kernel'), digests: {} }],
  ])('is none that %s', (_, image) => {
    const one = component('kernel', null, 'kernel')
    const unknown = component('kernel', null, '', { digests: {} })
    const input = look({ files: [{ ...kernel, image }] })
    expect([findFile(input, one), findFile(input, unknown)]).toEqual([null, null])
  })
})

it('a component is named by what it is, and its file where one is known', () => {
  expect(describeComponent({ role: 'kernel', path: KERNEL })).toBe(`the dom0 kernel ${KERNEL}`)
  expect(describeComponent({ role: 'boot-info', path: null })).toBe(
    'the boot information that GRUB hands to Xen',
  )
})

describe('against a file', () => {
  const measured = component('kernel', KERNEL, 'kernel')
  const ramdisk = component('initramfs', INITRAMFS, 'initramfs')
  const made = { ...initramfs, reproduced: true }
  const unmade = { isInitramfsUnmade: true }

  it.each<[string, MeasuredComponent, FileFact | null, Partial<ExplanationInput>, string[]]>([
    ['nothing stands that is as it was measured and packaged', measured, kernel, {}, []],
    ['it is missing', measured, null, {}, ['file-missing']],
    ['it was not read', measured, { ...kernel, image: null }, {}, ['file-missing']],
    ['it is another one', component('kernel', KERNEL, 'evil'), kernel, {}, ['file-differs-from-launch']],
    ['it has the name of Xen', measured, { ...kernel, path: XEN }, {}, ['wrong-file']],
    [
      'its package is of another release',
      measured,
      { ...kernel, package: { ...KERNEL_PACKAGE, evr: '1000:6.1.1-1.fc37' } },
      {},
      ['wrong-file'],
    ],
    ['it has no package', measured, { ...kernel, package: null }, {}, ['no-package']],
    [
      'its package was there before',
      measured,
      kernel,
      { packagesBefore: [`kernel ${KERNEL_PACKAGE.evr}`] },
      ['package-older-than-last-boot'],
    ],
    ['nothing stands where dom0 made it again', ramdisk, made, {}, []],
    ['it was not made again', ramdisk, initramfs, {}, ['no-package']],
    ['this look does not make it again', ramdisk, initramfs, unmade, ['initramfs-not-compared']],
    ['nothing stands where it was made before this look', ramdisk, made, unmade, []],
    [
      'a kernel is made by nobody',
      measured,
      { ...kernel, package: null, reproduced: true },
      unmade,
      ['no-package'],
    ],
    ['it is the initramfs of no kernel', ramdisk, made, { booted: null }, ['wrong-file']],
    [
      'no role decides where the extend is of none',
      component('other', null, 'kernel'),
      { ...kernel, path: XEN },
      {},
      [],
    ],
    ['a package vouches for no initramfs', ramdisk, { ...made, package: SIGNED }, {}, ['wrong-file']],
  ])('%s', (_, now, file, changes, codes) => {
    const reasons = checkFile(look({ booted, ...changes }), now, file, 17)
    expect(codesOf(reasons)).toEqual(codes)
    for (const reason of reasons) expect(reason).toMatchObject({ pcr: 17, isBlocking: true })
  })

  it('its own name is told, where it is known by its digest alone', () => {
    const unnamed = component('kernel', null, 'kernel')
    expect(checkFile(look(), unnamed, { ...kernel, package: null }, 17)[0]?.what).toContain(KERNEL)
    expect(checkFile(look(), measured, null, 17)[0]?.what).toContain(KERNEL)
  })
})

describe('against the package of a file', () => {
  const BOOT = '2024-07-17T09:00:00Z'
  const installed = (installTime: string | null) => ({ ...KERNEL_PACKAGE, installTime })

  it.each<[string, Partial<typeof KERNEL_PACKAGE>, string[]]>([
    ['nothing stands', {}, []],
    ['its file is modified', { unmodified: false, signerKnown: false }, ['package-modified']],
    ['nobody could verify it', { unmodified: null }, ['package-unchecked']],
    ['its signer is unknown', { signerKnown: false }, ['signer-unknown']],
  ])('%s', (_, changes, codes) => {
    const owner = { ...KERNEL_PACKAGE, ...changes }
    expect(codesOf(checkPackage({ ...kernel, package: owner }, 'k', 17, {}))).toEqual(codes)
  })

  it.each<[string, string | null, Parameters<typeof checkPackage>[3], boolean]>([
    ['installed before the last boot', '2024-07-17T08:59:59Z', { previousBootTime: BOOT }, true],
    ['installed in the second of the last boot', BOOT, { previousBootTime: BOOT }, false],
    ['installed since', '2024-07-17T09:00:01Z', { previousBootTime: BOOT }, false],
    ['installed at a time that rpm does not tell', null, { previousBootTime: BOOT }, false],
    ['installed before a boot of unknown time', BOOT, { previousBootTime: null }, false],
    ['installed before a boot that nobody noted', BOOT, {}, false],
    [
      'there in the boot before, whatever the clock says',
      '2024-07-18T09:00:00Z',
      { previousBootTime: BOOT, packagesBefore: ['xen 1-1', `kernel ${KERNEL_PACKAGE.evr}`] },
      true,
    ],
    [
      'not there in the boot before, whatever the clock says',
      '2024-07-01T09:00:00Z',
      { previousBootTime: BOOT, packagesBefore: ['kernel 1000:6.1.1-1.qubes.fc37'] },
      false,
    ],
  ])('it is an older one where it was %s', (_, time, before, isOlder) => {
    const codes = codesOf(checkPackage({ ...kernel, package: installed(time) }, 'k', 17, before))
    expect(codes).toEqual(isOlder ? ['package-older-than-last-boot'] : [])
  })

  it('what is known of its signature is told', () => {
    const owner = { ...KERNEL_PACKAGE, signerKnown: false, signatureFault: 'is signed by a key that expired' }
    const [reason] = checkPackage({ ...kernel, package: owner }, 'k', 17, {})
    expect(reason?.what).toBe(`k: kernel ${KERNEL_PACKAGE.evr} is signed by a key that expired`)
  })
})

describe('an image is the previous one', () => {
  const before = component('kernel', KERNEL, '', { commandLine: LINE, digests: asTboot(LINE, 'kernel') })
  const tboot = look({ rule: 'whole' })

  it.each<[string, ExplanationInput, MeasuredComponent | null, FileFact | null, boolean]>([
    ['as its file still gives the previous digest', tboot, before, kernel, true],
    [
      'also where it had no command line',
      tboot,
      { ...before, commandLine: null, digests: asTboot('', 'kernel') },
      kernel,
      true,
    ],
    ['but not where its file is another', tboot, before, factOf(KERNEL, 'evil'), false],
    [
      'but not under TrenchBoot, where no command line goes into the digest',
      look(),
      { ...before, digests: digestsOf('kernel') },
      kernel,
      false,
    ],
    ['but not where nothing was before', tboot, null, kernel, false],
    ['but not without a file', tboot, before, null, false],
    ['but not where the file was not read', tboot, before, { ...kernel, image: null }, false],
    [
      'but not where no digest of this bank is known',
      tboot,
      { ...before, digests: {} },
      { ...kernel, image: { ...imageOf('kernel'), digests: {} } },
      false,
    ],
  ])('%s', (_, input, previous, file, isSame) => {
    expect(isSameImage(input, previous, file)).toBe(isSame)
  })
})

describe('a command line that changed', () => {
  const words = (before: string | null, now: string | null) =>
    commandLineReason(
      {
        before: before === null ? null : component('kernel', KERNEL, '', { commandLine: before }),
        now: component('kernel', KERNEL, '', { commandLine: now }),
      },
      19,
    )
  const long = 'w'.repeat(60)

  it.each<[string | null, string | null, string]>([
    ['a b', 'a c', '; new in it: c; no longer in it: b'],
    ['a', 'a b  c', '; new in it: b c'],
    ['b a ', 'a', '; no longer in it: b'],
    ['a b', 'b a', ''],
    [null, 'a', '; new in it: a'],
    ['a', null, '; no longer in it: a'],
    ['', '1 2 3 4', '; new in it: 1 2 3 4'],
    ['', '1 2 3 4 5 6', '; new in it: 1 2 3 4 and 2 more'],
    ['', long, `; new in it: ${long}`],
    ['', `${long}x`, `; new in it: ${long}...`],
  ])('from "%s" to "%s" is told by its words', (before, now, told) => {
    expect(words(before, now)).toMatchObject({
      code: 'command-line-changed',
      pcr: 19,
      isBlocking: true,
      what: `the command line of the dom0 kernel ${KERNEL} changed${told}`,
    })
  })
})
