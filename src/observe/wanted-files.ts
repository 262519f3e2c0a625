import type { PackageFile } from '../core/package/rpm.ts'
import type { Host } from '../host/host.ts'
import { bootFileRole, rpmDigest, xenImageName } from './boot-files.ts'
import { observeNewest, observePackageFiles } from './packages.ts'

/** A file of the installed packages that the next boot should load. */
export type Wanted = {
  readonly name: string
  readonly role: 'tboot' | 'xen' | 'kernel'
  readonly sha256: string | null
  readonly isUnknown?: true
}

export async function listWanted(host: Host): Promise<readonly Wanted[]> {
  const wanted: Wanted[] = []
  const xen = await observeNewest(host, 'xen-hypervisor')
  if (xen) {
    const name = xenImageName(xen.evr)
    const files = await observePackageFiles(host, 'xen-hypervisor')
    wanted.push({ name, role: 'xen', sha256: rpmDigest(files, xen.evr, `/boot/${name}`) })
  }
  for (const kernelPackage of ['kernel', 'kernel-latest']) {
    const newest = await observeNewest(host, kernelPackage)
    if (!newest) continue
    const files = await observePackageFiles(host, kernelPackage)
    wanted.push(...listPackaged(files, newest.evr, 'kernel', kernelPackage))
  }
  const tboot = await observeNewest(host, 'tboot')
  if (tboot) {
    const files = await observePackageFiles(host, 'tboot')
    wanted.push(...listPackaged(files, tboot.evr, 'tboot', 'tboot'))
  }
  return wanted
}

function listPackaged(
  files: readonly PackageFile[] | null,
  evr: string,
  role: 'kernel' | 'tboot',
  packageName: string,
): readonly Wanted[] {
  const listed = (files ?? [])
    .filter((file) => file.evr === evr && file.path.startsWith('/boot/'))
    .map((file) => ({ name: file.path.slice('/boot/'.length), role, sha256: file.sha256 }))
    .filter((file) => bootFileRole(file.name) === role)
  // A package whose boot file cannot be told is not a package without one.
  return listed.length > 0
    ? listed
    : [{ name: `(boot file of ${packageName})`, role, sha256: null, isUnknown: true }]
}
