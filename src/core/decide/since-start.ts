import type { ModuleRole } from '../launch/boot-entry.ts'
import { findNameFault, findPackageFault, kernelReleaseOf } from '../vouch/roles.ts'
import type { Component } from './confirm-update.ts'

/** A measured package that came after `start`, with what its signature and files are worth now. */
export type LaterUpdate = {
  readonly name: string
  readonly evr: string
  readonly component: Component
  /** The version that was there at `start`; null: none. */
  readonly before: string | null
  readonly isVerified: boolean
  /** Why not, in words to put behind its name; null where it is. */
  readonly fault: string | null
}

/** A boot file that is not as it was recorded. */
export type LaterFile = {
  /** Below the root of the device, as GRUB names it. */
  readonly name: string
  readonly role: string
  /** Of the stored bytes now; null where it is gone or cannot be read. */
  readonly sha256: string | null
  readonly isGone: boolean
  /** The package that brought dom0's file of that name, with the digest it has for it. */
  readonly owner: {
    readonly name: string
    readonly evr: string
    readonly sha256: string | null
    readonly signerKnown: boolean
  } | null
  /** dom0 made the same bytes again, or they are known from a boot that was vouched for. */
  readonly isReproduced: boolean
  /** The entry of this boot loads it. */
  readonly isBooted: boolean
  /** The entry of this boot is known and nothing is wrong with it, or every register is as predicted: the rest did not boot. */
  readonly isBootKnown: boolean
}

/**
 * Which signed package that came after `start` accounts for a boot file that is another one now; null where none does. What
 * the entry of this boot loads has to be exactly the bytes of that package, or made again by dom0. grub.cfg vouches for nothing
 * and is vouched for by nothing: its entry was measured, and its lines are compared, apart from this.
 */
export function accountForFile(file: LaterFile, later: readonly LaterUpdate[]): string | null {
  const verified = later.filter(({ isVerified }) => isVerified)
  const [first] = verified
  if (first === undefined) return null
  const { name, role, sha256, owner } = file
  const all = verified.map(nameUpdate).join(', ')
  if (role === 'grub.cfg') return file.isBootKnown && !file.isGone && sha256 !== null ? all : null
  if (role === 'sinit') return null
  if (file.isGone) return file.isBooted || role === 'tboot' ? null : all
  if (sha256 === null) return null
  if (role === 'initramfs') {
    if (file.isReproduced) return all
    // Another kernel's is no part of this boot; what boots next is asked about by the next `start`.
    return file.isBooted || !file.isBootKnown ? null : all
  }
  const place = MODULE_ROLE[role]
  if (place === undefined || owner === null || owner.sha256 !== sha256 || !owner.signerKnown) return null
  const brought = verified.find((one) => one.name === owner.name && one.evr === owner.evr)
  const fault = findNameFault(place, name, kernelReleaseOf(name)) ?? findPackageFault(place, name, owner)
  return brought === undefined || fault !== null ? null : nameUpdate(brought)
}

const MODULE_ROLE: Readonly<Record<string, ModuleRole>> = { tboot: 'mle', xen: 'xen', kernel: 'kernel' }

/** `kernel 1000:6.6.42-1.qubes.fc37 (before: 1000:6.6.36-1.qubes.fc37)`. */
export function nameUpdate({ name, evr, before }: LaterUpdate): string {
  return before === null ? `${name} ${evr}` : `${name} ${evr} (before: ${before})`
}

/** What may be left as it was on a device that a later package did not reach. */
const PACKAGES_OF_ROLE: Readonly<Record<string, readonly LaterUpdate['component'][]>> = {
  xen: ['xen'],
  tboot: ['tboot'],
  kernel: ['kernel'],
  initramfs: ['kernel', 'initramfs', 'microcode', 'aem'],
  'grub.cfg': ['xen', 'kernel', 'tboot', 'aem'],
}

/** May a package of this kind bring another initramfs? */
export function isOfInitramfs(component: LaterUpdate['component']): boolean {
  return PACKAGES_OF_ROLE.initramfs?.includes(component) ?? false
}

/** Is a boot file behind the installed packages only by one that came after `start`? Then it is as it was confirmed. */
export function isBehindLater(
  file: { readonly role: string; readonly isUnchanged: boolean },
  later: readonly LaterUpdate[],
): boolean {
  const components = PACKAGES_OF_ROLE[file.role] ?? []
  return file.isUnchanged && later.some(({ component }) => components.includes(component))
}
