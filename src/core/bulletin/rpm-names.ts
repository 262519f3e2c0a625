import type { BulletinPackage, Component } from './bulletin.ts'
import { bareName } from './components.ts'

/**
 * Packages built from Qubes' Xen source, one version for all (QubesOS/qubes-vmm-xen, xen.spec.in).
 * xen-hypervisor comes first: it owns /boot/xen-*.gz, which is what is measured. The stub domains
 * (xen-hvm-stubdom-*) have sources and versions of their own.
 */
const XEN = [
  'xen-hypervisor',
  'xen',
  'xen-libs',
  'xen-runtime',
  'xen-licenses',
  'python3-xen',
  'xen-hypervisor-debug',
  'xen-devel',
]

/** Kernels that dom0 boots, and those that dom0 lends to qubes (QubesOS/qubes-linux-kernel, kernel.spec.in). */
const KERNEL_LATEST = ['kernel-latest', 'kernel-latest-qubes-vm']
/** Series that went on under a name of their own when `kernel` had moved on to a newer one (name_suffix of its branches stable-*). */
const KEPT_KERNELS = ['kernel-510', 'kernel-515', 'kernel-61', 'kernel-66', 'kernel-612']
const KEPT_VM_KERNELS = KEPT_KERNELS.map((name) => `${name}-qubes-vm`)
const VM_KERNELS = ['kernel-qubes-vm', 'kernel-latest-qubes-vm', ...KEPT_VM_KERNELS]
const ALL_KERNELS = ['kernel', 'kernel-qubes-vm', ...KERNEL_LATEST, ...KEPT_KERNELS, ...KEPT_VM_KERNELS]

/** Whether a kernel package has one series only: a version of another series can never be asked of it. */
export const isKeptKernel = (name: string): boolean => /^kernel-\d+(?:-qubes-vm)?$/.test(name)

/** Whether it is a kernel that dom0 boots. */
export const isDom0Kernel = (name: string): boolean => /^kernel(?:-latest|-\d+)?$/.test(name)

/** Loose names as bulletins print them, without the words bareName drops; first match wins. Those of one source have one version. */
const LOOSE_NAMES: readonly (readonly [RegExp, readonly string[]])[] = [
  [/^xen$/i, XEN],
  // `Linux kernel packages (kernel*-qubes-vm)` (82, 92)
  [/^(?:linux )?kernel packages? \(kernel\*-qubes-vm\)$/i, VM_KERNELS],
  // `kernel-latest packages` (42)
  [/^kernel-latest packages$/i, KERNEL_LATEST],
  // `Linux kernel packages` (63, 64, 69) and `Kernel packages` (31, 32, 78) list the versions of both flavours.
  [/^(?:linux )?kernel packages$/i, ALL_KERNELS],
  [/^lvm2$/i, ['lvm2', 'lvm2-libs']],
  [/^qrexec$/i, ['qubes-core-qrexec', 'qubes-core-qrexec-libs', 'qubes-core-qrexec-dom0']],
  // Misprint of 20; the body has the right name.
  [/^qubes-core-dom-linux$/, ['qubes-core-dom0-linux']],
]

/** Lists of alternatives, of which a dom0 may have any: one of them tells nothing about another. */
const ALTERNATIVES: ReadonlySet<readonly string[]> = new Set([KERNEL_LATEST, VM_KERNELS, ALL_KERNELS])

const RPM_NAME = /^[A-Za-z0-9][\w.+-]*$/

/**
 * RPM names a printed name stands for, the one that matters most first; those that are installed must
 * meet the demand. Empty where the name cannot be told: then nothing may be claimed about it.
 */
export const rpmNamesOf = (printed: string): readonly string[] => {
  const bare = bareName(printed)
  const loose = LOOSE_NAMES.find(([pattern]) => pattern.test(printed) || pattern.test(bare))
  if (loose) return loose[1]
  return RPM_NAME.test(bare) ? [bare] : []
}

/**
 * The names that must have been looked up before anything is said about a printed name: of packages of one source the
 * first stands for all, of alternatives each counts. A kernel series under a name of its own is rare: a machine that was
 * never asked about one is taken to have none.
 */
export const namesToKnow = (printed: string): readonly string[] => {
  const names = rpmNamesOf(printed)
  return ALTERNATIVES.has(names) ? names.filter((name) => !isKeptKernel(name)) : names.slice(0, 1)
}

/** Other packages that bulletins 1 to 116 ask for: their names are known to be those of RPMs. */
const OTHER_NAMES: ReadonlySet<string> = new Set([
  'libwnck3',
  'python3-qubesadmin',
  'qubes-core-admin-client',
  'qubes-core-dom0',
  'qubes-core-dom0-linux',
  'qubes-core-qrexec',
  'qubes-core-qrexec-dom0',
  'qubes-desktop-linux-manager',
  'qubes-gui-daemon',
  'qubes-gui-dom0',
  'qubes-libvchan-xen',
  'qubes-manager',
  'qubes-mgmt-salt-admin-tools',
  'qubes-mgmt-salt-dom0-update',
  'qubes-mgmt-salt-dom0-virtual-machines',
  'qubes-utils',
  'rpm',
  'tpm-extra',
  'xfce4-screensaver',
  'xscreensaver',
])

type WhenAbsent = 'unknown' | 'unmet' | 'not-used' | 'name-not-known'

/**
 * What it means that none of the packages is installed. Without Xen in the list, the list is not that
 * of a dom0: nothing can be said. Microcode, firmware and dracut are asked for on every machine.
 * Anything else is a package this dom0 does not use, which cannot be vulnerable, if its name is known to be that of an
 * RPM: one that a later bulletin prints may be loose, and mean another package that is there.
 */
const WHEN_ABSENT: Readonly<Record<Component, WhenAbsent>> = {
  xen: 'unknown',
  microcode: 'unmet',
  firmware: 'unmet',
  'initramfs-tool': 'unmet',
  kernel: 'not-used',
  lvm: 'not-used',
  other: 'not-used',
}

export const whenAbsent = (wanted: BulletinPackage): WhenAbsent => {
  const isKnown = wanted.component !== 'other' || OTHER_NAMES.has(rpmNamesOf(wanted.name)[0] ?? '')
  return isKnown ? WHEN_ABSENT[wanted.component] : 'name-not-known'
}
