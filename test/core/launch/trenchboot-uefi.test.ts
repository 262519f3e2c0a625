import { describe, expect, it } from 'vitest'
import { type Launch, sklFile } from '../../support/trenchboot-launch.ts'
import {
  codes,
  explain,
  filesOf,
  KERNEL_LINE,
  KERNEL_PACKAGE,
  launch,
  XEN_PACKAGE,
} from './trenchboot-world.ts'

/*
 * What an update moves on UEFI: the names of kernel and initramfs stand in PCR 18, and Xen in memory holds the places and sizes of
 * its modules (TrenchBoot's patch "x86/slaunch: support EFI boot" of 2025-04-22, xen/arch/x86/slaunch.c and efi-boot.h).
 */
type Kind = 'intel-uefi' | 'amd-uefi'
const OLD = '6.6.36-1.fc37.x86_64'
const NEW = '6.6.40-1.fc37.x86_64'
const OLD_PACKAGE = { ...XEN_PACKAGE, installTime: '2024-07-01T00:00:00Z' }
const NEW_KERNEL = { ...KERNEL_PACKAGE, evr: '1000:6.6.40-1.fc37' }

const kernel = (release: string, options = KERNEL_LINE) => ({
  name: `aem-vmlinuz-${release}`,
  options,
  bytes: `kernel ${release}`,
})
const initramfs = (release: string) => ({
  name: `aem-initramfs-${release}.img`,
  options: '',
  bytes: `initramfs ${release}`,
})
const earlier = (kind: Kind): Launch => launch(kind, { modules: [kernel(OLD), initramfs(OLD)] })
/** Xen's file stays; in memory it is another. */
const moved = (of: Launch): Buffer => Buffer.concat([of.xen, Buffer.from('places of other modules')])
const updated = (kind: Kind, changes: Partial<Launch> = {}): Launch =>
  launch(kind, { modules: [kernel(NEW), initramfs(NEW)], xen: moved(earlier(kind)), ...changes })

/** What is on the device is what an honest update left there. */
const look = (kind: Kind, now: Launch, more: Parameters<typeof explain>[2] = {}) =>
  explain(earlier(kind), now, {
    files: filesOf(now, { xen: OLD_PACKAGE, kernel: NEW_KERNEL, isReproduced: true }),
    ...more,
  })

describe.each<Kind>(['intel-uefi', 'amd-uefi'])('after an update of the kernel alone, %s', (kind) => {
  it('all is explained but Xen in memory, which a person may accept', () => {
    const explained = look(kind, updated(kind))
    expect(explained.verdict).toBe('not-computable')
    expect(codes(explained)).toEqual(['xen-not-computable'])
    expect(explained.pcrs.map(({ index, change }) => [index, change])).toEqual([
      [17, 'not-computable'],
      [18, 'expected'],
    ])
  })

  it('a Xen that moved beside the same modules is a contradiction: its package is older than the last boot', () => {
    const now = launch(kind, { modules: earlier(kind).modules, xen: moved(earlier(kind)) })
    const explained = explain(earlier(kind), now, { files: filesOf(now, { xen: OLD_PACKAGE }) })
    expect(explained.verdict).toBe('unexplained')
    expect(codes(explained)).toContain('package-older-than-last-boot')
  })

  it.each<[string, (kind: Kind) => Launch, Parameters<typeof explain>[2], string]>([
    [
      'other words on the command line',
      (one) => updated(one, { modules: [kernel(NEW, `${KERNEL_LINE} init=/bin/sh`), initramfs(NEW)] }),
      { areLinesSame: false },
      'command-line-changed',
    ],
    ['command lines that could not be compared', updated, { areLinesSame: null }, 'command-line-changed'],
    [
      'a kernel of another name',
      (one) => updated(one, { modules: [{ ...kernel(NEW), name: 'evil' }, initramfs(NEW)] }),
      {},
      'command-line-changed',
    ],
    [
      'the initramfs of another kernel',
      (one) =>
        updated(one, { modules: [kernel(NEW), { ...initramfs(NEW), name: 'aem-initramfs-6.6.99.img' }] }),
      {},
      'command-line-changed',
    ],
    [
      'options of the initramfs',
      (one) => updated(one, { modules: [kernel(NEW), { ...initramfs(NEW), options: 'rd.break' }] }),
      {},
      'command-line-changed',
    ],
    [
      "Xen's options",
      (one) => updated(one, { xenOptions: 'placeholder iommu=no' }),
      {},
      'command-line-changed',
    ],
    ['the loader', (one) => updated(one, { loader: sklFile('another') }), {}, 'platform-changed'],
    ['what GRUB notes', (one) => updated(one, { vendorInfo: 'else' }), {}, 'platform-changed'],
  ])('%s makes it unexplained', (_, make, more, code) => {
    const explained = look(kind, make(kind), more)
    expect(explained.verdict).toBe('unexplained')
    expect(codes(explained)).toContain(code)
  })

  it('a name in the configuration that is not what was measured makes it unexplained', () => {
    const honest = updated(kind)
    const measured = updated(kind, { modules: [{ ...kernel(NEW), name: 'aem-vmlinuz-6.1' }, initramfs(NEW)] })
    const files = filesOf(honest, { xen: OLD_PACKAGE, kernel: NEW_KERNEL, isReproduced: true })
    expect(explain(earlier(kind), measured, { disk: honest, files }).verdict).toBe('unexplained')
  })

  it('the line of a module that was not measured before is no new name of one', () => {
    const before = launch(kind, { modules: [kernel(OLD)] })
    const now = launch(kind, { modules: [kernel(OLD), initramfs(OLD)], xen: moved(before) })
    const files = filesOf(now, { xen: OLD_PACKAGE, kernel: KERNEL_PACKAGE, isReproduced: true })
    const { reasons } = explain(before, now, { files })
    expect(reasons.filter(({ pcr }) => pcr === 18).map(({ code }) => code)).toEqual(['command-line-changed'])
  })

  it('an initramfs that nobody made again makes it unexplained', () => {
    const now = updated(kind)
    const files = filesOf(now, { xen: OLD_PACKAGE, kernel: NEW_KERNEL })
    expect(codes(explain(earlier(kind), now, { files }))).toContain('no-package')
  })
})
