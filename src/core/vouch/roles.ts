import type { ModuleRole } from '../launch/boot-entry.ts'
import { roleName } from '../launch/efi-entry.ts'
import { compareEvr, compareVersions, parseEvr } from '../package/evr.ts'

/** An installed package that owns a file, as far as its name decides. */
export type OwnerName = { readonly name: string; readonly evr: string }

/**
 * Packages whose files may stand in a role (QubesOS: qubes-vmm-xen, xen.spec.in; qubes-linux-kernel, kernel.spec.in;
 * Fedora: tboot.spec). An initramfs and a further module belong to no package.
 */
const PACKAGES: Readonly<Record<ModuleRole, RegExp | null>> = {
  mle: /^tboot$/,
  xen: /^xen-hypervisor(?:-debug)?$/,
  kernel: /^kernel(?:-latest|-[0-9][0-9.]*)?$/,
  initramfs: null,
  module: null,
}

export const ROLE_NAMES: Readonly<Record<ModuleRole, string>> = {
  mle: 'tboot',
  xen: 'Xen',
  kernel: 'the dom0 kernel',
  initramfs: 'the initramfs',
  module: 'a further module',
}

/**
 * Kernel release in a boot file's name: `/vmlinuz-6.6.36-1.qubes.fc37.x86_64`, `/initramfs-6.6.36-1.qubes.fc37.x86_64.img`.
 * @returns null for any other name
 */
export function kernelReleaseOf(path: string | null): string | null {
  const name = roleName(path ?? '')
  const found = /^\/(?:vmlinuz-([A-Za-z0-9+._~^-]+)|initramfs-([A-Za-z0-9+._~^-]+)\.img)$/.exec(name)
  return found?.[1] ?? found?.[2] ?? null
}

/**
 * Why a file may not stand in a role by its name alone; null where it may. Xen's place takes a Xen image, the kernel's a
 * kernel, and the initramfs is the one of the kernel beside it.
 * @param kernelRelease release of the kernel that the entry names
 */
export function findNameFault(role: ModuleRole, path: string, kernelRelease: string | null): string | null {
  const wanted: Readonly<Record<ModuleRole, RegExp | null>> = {
    mle: /^\/tboot\.gz$/,
    xen: /^\/xen-[0-9][A-Za-z0-9+._~^-]*\.gz$/,
    kernel: /^\/vmlinuz-[0-9][A-Za-z0-9+._~^-]*$/,
    initramfs: /^\/initramfs-[0-9][A-Za-z0-9+._~^-]*\.img$/,
    module: null,
  }
  const name = wanted[role]
  if (name === null) return `${path} is loaded in addition: nothing vouches for a further module`
  if (!name.test(roleName(path))) return `${path} stands where ${ROLE_NAMES[role]} belongs`
  if (role !== 'initramfs' || kernelReleaseOf(path) === kernelRelease) return null
  return `${path} is not the initramfs of the kernel that the entry starts (${kernelRelease ?? 'unknown'})`
}

/** Why a package may not bring a file in a role; null where it may. */
export function findPackageFault(role: ModuleRole, path: string, owner: OwnerName): string | null {
  const names = PACKAGES[role]
  if (names === null) return `${path}: no package vouches for ${ROLE_NAMES[role]}`
  if (!names.test(owner.name))
    return `${path} stands where ${ROLE_NAMES[role]} belongs and comes from the package ${owner.name}`
  const { version, release } = parseEvr(owner.evr)
  const file = roleName(path)
  const isNamed =
    role === 'kernel'
      ? // `uname -r` is version-release.arch
        file.startsWith(`/vmlinuz-${version}-${release}.`)
      : role === 'xen'
        ? [`/xen-${version}.gz`, `/xen-${version}~debug.gz`, `/xen-${version}-debug.gz`].includes(file)
        : true
  return isNamed ? null : `${path} is not the file name that ${owner.name} ${owner.evr} has`
}

/** What runs in this boot, to tell an older package from an update; null where it could not be read. */
export type RunningVersions = {
  /** `uname -r`. */
  readonly kernelRelease: string | null
  /** `xl info`, xen_version: without the release. */
  readonly xen: string | null
  /** tboot's own version, from its log. */
  readonly tboot: string | null
}

/**
 * Why a package is no update of what runs; null where it is none older. dom0 keeps several kernels of signed packages,
 * and an old one with known holes is as well signed as a new one.
 * @param newest EVR of the newest installed version of the owner's name; null where it could not be asked
 */
export function findAgeFault(
  role: ModuleRole,
  owner: OwnerName,
  newest: string | null,
  running: RunningVersions,
): string | null {
  const named = `${owner.name} ${owner.evr}`
  if (newest === null) return `whether ${named} is the newest installed version could not be told`
  if (compareEvr(owner.evr, newest) < 0) return `${named} is older than the installed ${newest}`
  if (role === 'kernel') return findKernelAgeFault(owner, running.kernelRelease)
  const runs = role === 'xen' ? running.xen : running.tboot
  // tboot's log need not name a version; the newest installed one is asked for above.
  if (runs === null) return role === 'xen' ? 'which Xen runs could not be read' : null
  const { version } = parseEvr(owner.evr)
  return compareVersions(version, runs) < 0 ? `${named} is older than what runs (${runs})` : null
}

/** `6.6.36-1.qubes.fc37.x86_64` is version-release.arch. */
const withoutArch = (release: string): string => release.replace(/\.[^.]+$/, '')

/** Is a kernel older than another one, whatever packages they come from? @param release as `uname -r` prints it */
export function isOlderKernel(release: string, than: string): boolean {
  return compareEvr(`0:${withoutArch(release)}`, `0:${withoutArch(than)}`) < 0
}

function findKernelAgeFault(owner: OwnerName, release: string | null): string | null {
  if (release === null) return 'which kernel runs could not be read'
  const { epoch } = parseEvr(owner.evr)
  // The epoch is the package's own.
  const runs = `${epoch ?? '0'}:${withoutArch(release)}`
  return compareEvr(owner.evr, runs) < 0
    ? `${owner.name} ${owner.evr} is older than the kernel that runs (${release})`
    : null
}
