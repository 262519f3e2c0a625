/* Long: each kind of extend that may have changed. */

import { describe, expect, it } from 'vitest'
import { Failure } from '../../../src/core/failure.ts'
import { traceRegister } from '../../../src/core/launch/explain-trace.ts'
import type { ExplanationInput, MeasuredComponent } from '../../../src/core/launch/explain-types.ts'
import { moduleDigests } from '../../../src/core/launch/module-digest.ts'
import { parseTbootLog } from '../../../src/core/launch/tboot-log.ts'
import { eventsOf, type Kind } from '../../support/trenchboot-launch.ts'
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
import { disk, machineOf, SIGNED } from './launch-world.ts'
import { writeTxtStat } from './tboot-writer.ts'
import { entry, KERNEL_LINE, launch, parse } from './trenchboot-world.ts'

const kernel = component('kernel', KERNEL, 'kernel')
const initramfs = component('initramfs', INITRAMFS, 'initramfs')
const xen = component('xen', XEN, 'xen')
const FILES = [
  factOf(XEN, 'xen', { package: SIGNED }),
  factOf(KERNEL, 'kernel', { package: KERNEL_PACKAGE, bulletin: '103' }),
  factOf(INITRAMFS, 'initramfs', { reproduced: true }),
]
const MODULES = [
  { role: 'kernel' as const, path: KERNEL, commandLine: '', nounzip: false, order: 1 },
  { role: 'initramfs' as const, path: INITRAMFS, commandLine: '', nounzip: false, order: 2 },
]
const BOOTED = { ...entry(launch('intel-bios')), modules: MODULES }
const logOf = (kind: Kind) => parse(eventsOf(launch(kind)))
const old = <T extends MeasuredComponent>(one: T, content = 'old') => ({
  ...one,
  digests: digestsOf(content),
})

function trace(
  before: readonly MeasuredComponent[] | null,
  now: readonly MeasuredComponent[],
  changes: Partial<ExplanationInput> = {},
) {
  const input = look({
    before: { pcrs: {}, components: before },
    files: FILES,
    booted: BOOTED,
    log: logOf('intel-bios'),
    ...changes,
  })
  const { causes, reasons } = traceRegister(input, now, 17)
  return { causes, reasons, codes: codesOf(reasons) }
}

describe('a register is traced', () => {
  it('to the file of what changed, with its package and bulletin', () => {
    const { causes, codes } = trace([old(kernel), initramfs], [kernel, initramfs])
    expect(codes).toEqual([])
    expect(causes).toEqual([
      {
        role: 'kernel',
        path: KERNEL,
        digestBefore: digestsOf('old').sha256,
        digestNow: digestsOf('kernel').sha256,
        package: KERNEL_PACKAGE,
        bulletin: '103',
      },
    ])
  })

  it('to a file that is known by its digest alone', () => {
    const { causes } = trace([old(kernel)], [{ ...kernel, path: null }])
    expect(causes).toMatchObject([{ path: KERNEL, package: KERNEL_PACKAGE }])
  })

  it('to every extend where no list is from before', () => {
    const { causes, codes } = trace(null, [kernel, component('module', '/evil', 'evil')])
    expect(codes).toEqual(['file-missing'])
    expect(causes.map(({ path, digestBefore }) => [path, digestBefore])).toEqual([
      [KERNEL, null],
      ['/evil', null],
    ])
  })

  it('of its own bank and of its own extends', () => {
    const elsewhere = component('module', '/evil', 'evil', { pcr: 18 })
    const otherBank = component('module', '/evil', '', { digests: { sha1: digestsOf('evil').sha1! } })
    const { causes } = trace([old(kernel), elsewhere, otherBank], [kernel, elsewhere, otherBank])
    expect(causes.map(({ path }) => path)).toEqual([KERNEL])
  })

  it('to what is measured no more', () => {
    const { causes, reasons } = trace([kernel, xen], [kernel])
    expect(reasons).toMatchObject([
      { code: 'module-removed', pcr: 17, what: `the Xen image ${XEN} is no longer measured into PCR 17` },
    ])
    expect(causes).toEqual([
      {
        role: 'xen',
        path: XEN,
        digestBefore: digestsOf('xen').sha256,
        digestNow: null,
        package: null,
        bulletin: null,
      },
    ])
  })

  it('to what is measured in addition, however well packaged', () => {
    const { causes, reasons } = trace([initramfs], [initramfs, kernel])
    expect(reasons).toMatchObject([
      { code: 'module-added', what: `a further module ${KERNEL} is measured in addition` },
    ])
    expect(causes).toMatchObject([{ digestBefore: null, package: KERNEL_PACKAGE }])
  })

  it('to an older state where all is as in the list', () => {
    expect(trace([kernel, initramfs], [kernel, initramfs]).codes).toEqual(['older-state'])
  })

  it('to another order', () => {
    const { codes, reasons } = trace([kernel, initramfs], [initramfs, kernel])
    expect(codes).toEqual(['module-order-changed'])
    expect(reasons[0]?.what).toContain(`now the initramfs ${INITRAMFS}, the dom0 kernel ${KERNEL}`)
  })

  it('to another order of what is still there, each by the role that it had', () => {
    const here = { ...kernel, role: 'initramfs' as const, digests: { sha256: kernel.digests.sha256! } }
    const digests = { ...initramfs.digests, sha1: digestsOf('other').sha1! }
    const made = { ...initramfs, role: 'kernel' as const, digests }
    const { reasons } = trace([kernel, xen, initramfs], [made, here, component('module', '/evil', 'evil')])
    expect(reasons.find(({ code }) => code === 'module-order-changed')?.what).toContain(
      `now the dom0 kernel ${INITRAMFS}, the dom0 kernel ${KERNEL}`,
    )
  })

  it.each<[string, MeasuredComponent, string, boolean]>([
    ['boot information', component('boot-info', null, 'n'), 'platform-changed', false],
    ['launch information', component('launch-info', null, 'n'), 'platform-changed', false],
    ['a command line', component('command-line', KERNEL, 'n'), 'command-line-changed', false],
    ['a platform value', component('platform', null, 'n'), 'platform-changed', false],
    ['an entry of unknown origin', component('other', null, 'n'), 'platform-changed', false],
    ['the policy', component('policy', null, 'n'), 'policy-changed', false],
    ['tboot', component('mle', '/tboot.gz', 'n'), 'tboot-changed', true],
  ])('to %s, which no file explains', (_, now, code, isCause) => {
    const { causes, codes } = trace([old(now)], [now], {
      files: [factOf('/tboot.gz', 'n', { package: SIGNED })],
    })
    expect(codes).toEqual([code])
    expect(causes).toHaveLength(isCause ? 1 : 0)
    if (isCause) expect(causes).toMatchObject([{ role: 'mle', package: null }])
  })

  it('to boot information that moves with an update', () => {
    const now = component('boot-info', null, 'n')
    const before = { pcrs: { sha256: { 17: 'aa' } }, components: [old(now)] }
    expect(trace(null, [now], { before, pcrsNow: { sha256: { 17: 'bb' } } }).codes).toEqual([
      'boot-info-not-computable',
    ])
  })

  it('to the name of a file alone, which is nothing', () => {
    const path = '/efi/EFI/qubes/aem-vmlinuz-6.6'
    const line = (at: string, text: string) => component('command-line', at, text)
    const now = line(path, `aem-vmlinuz-6.6 ${KERNEL_LINE}`)
    const before = [line('/efi/EFI/qubes/aem-vmlinuz-6.1', 'other')]
    const onUefi = { log: logOf('intel-uefi'), booted: entry(launch('intel-uefi')) }
    expect(trace(before, [now], onUefi)).toEqual({ causes: [], reasons: [], codes: [] })
    expect(trace(before, [line(path, 'evil')], onUefi).codes).toEqual(['command-line-changed'])
    const asKernel = { ...now, role: 'kernel' as const }
    expect(trace([{ ...before[0]!, role: 'kernel' }], [asKernel], onUefi).codes).toEqual(['file-missing'])
  })
})

describe('under tboot a changed module is traced', () => {
  const rule = 'whole'
  const digests = (line: string, content: string) => moduleDigests(line, rule, digestsOf(content))
  const at = (line: string, content: string) =>
    component('kernel', KERNEL, '', { commandLine: line, digests: digests(line, content) })

  it.each([
    ['to its file', at('a', 'old'), at('a', 'kernel'), []],
    ['to its command line', at('a', 'kernel'), at('b', 'kernel'), ['command-line-changed']],
    ['to both', at('a', 'old'), at('b', 'kernel'), ['command-line-changed']],
  ])('%s', (_, before, now, codes) => {
    expect(trace([before], [now], { rule }).codes).toEqual(codes)
  })

  it('and no command line counts where there is no rule', () => {
    const now = { ...kernel, commandLine: 'b' }
    expect(trace([{ ...old(kernel), commandLine: 'a' }], [now]).codes).toEqual([])
  })
})

describe('a changed Xen', () => {
  const noLog = new Failure({ code: 'log-unreadable', what: 'w', why: null, next: 'n' })
  const tboot = parseTbootLog(writeTxtStat(machineOf(disk())))
  const entryPoint = component('xen-entry', XEN, 'entry')

  it.each<[string, MeasuredComponent, Partial<ExplanationInput>, string[]]>([
    ['of TrenchBoot is asked for its launch hash', xen, {}, ['xen-not-computable']],
    ['of another log is no plain file', xen, { log: tboot }, ['file-differs-from-launch']],
    ['of no log is no plain file', xen, { log: null }, ['file-differs-from-launch']],
    ['of an unreadable log is no plain file', xen, { log: noLog }, ['file-differs-from-launch']],
    ['entered elsewhere is another one', entryPoint, {}, ['platform-changed', 'xen-not-computable']],
  ])('%s', (_, now, changes, codes) => {
    expect(trace([old(now)], [now], changes).codes).toEqual(codes)
  })

  it('leaves the kernel beside it to its package', () => {
    expect(trace([old(kernel)], [kernel]).codes).toEqual([])
  })

  it.each<[string, MeasuredComponent[], string]>([
    ['nothing', [], 'package-older-than-last-boot'],
    ['the kernel', [kernel], 'xen-not-computable'],
    ['the initramfs', [initramfs], 'xen-not-computable'],
    ['a further module', [component('module', '/m', 'm')], 'package-older-than-last-boot'],
  ])('is no older one on UEFI where what it loads moved it, and that is %s', (_, beside, code) => {
    const packagesBefore = [`${SIGNED.name} ${SIGNED.evr}`]
    const { codes } = trace([old(xen, 'older'), ...beside.map((one) => old(one))], [xen, ...beside], {
      log: logOf('intel-uefi'),
      packagesBefore,
    })
    expect(codes[0]).toBe(code)
  })
})
