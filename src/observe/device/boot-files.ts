import type { BootFileRole } from '../../core/decide/boot-device.ts'
import { parseEvr } from '../../core/package/evr.ts'
import type { PackageFile } from '../../core/package/rpm.ts'
import type { FileDigests, Host } from '../../host/host.ts'
import { valueOrNull } from '../../host/host.ts'

/**
 * Boot images below a directory. `xen-*.config` and xen-syms files are no images although AEM's GRUB script may
 * list the former (etc/grub.d/19_linux_xen_tboot).
 */
export function bootFileRole(name: string): Exclude<BootFileRole, 'grub.cfg'> | null {
  if (/^tboot\.gz$/.test(name)) return 'tboot'
  if (/^xen-[0-9].*\.(gz|efi)$/.test(name) && !name.endsWith('.config'))
    return name.endsWith('.efi') ? null : 'xen'
  if (/^vmlinuz-/.test(name)) return 'kernel'
  if (/^initramfs-.*\.img$/.test(name)) return 'initramfs'
  if (isLaunchModule(name)) return 'sinit'
  return null
}

/**
 * SINIT modules, and AMD's Secure Kernel Loader, which is measured in their place: the names that AEM's scripts take
 * (TrenchBoot/qubes-antievilmaid 18a0a74, etc/grub.d/19_linux_xen_trenchboot: `@(*SINIT*|SKL).BIN` without case).
 */
function isLaunchModule(name: string): boolean {
  return /sinit.*\.bin$|^skl\.bin$/i.test(name)
}

/** Names of the boot images, or null where the directory cannot be listed. */
export async function listBootFiles(host: Host, root: string): Promise<readonly string[] | null> {
  const listing = await host.listDirectory(root)
  if (listing.state === 'absent') return []
  return valueOrNull(listing)?.filter((name) => bootFileRole(name) !== null) ?? null
}

/** Name of the Xen image that a package version brings: no release in it (xen.spec.in of qubes-vmm-xen). */
export function xenImageName(evr: string): string {
  return `xen-${parseEvr(evr).version}.gz`
}

/** SHA-256 of a file in the RPM database, for the given installed version. */
export function rpmDigest(files: readonly PackageFile[] | null, evr: string, path: string): string | null {
  return files?.find((file) => file.evr === evr && file.path === path)?.sha256 ?? null
}

/** A file that boots next, with its digests where it could be read. */
export type DeviceBootFile = {
  readonly path: string
  readonly role: BootFileRole
  readonly digests: FileDigests | null
}
