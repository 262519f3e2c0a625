import type { PackageFile } from '../../core/package/rpm.ts'
import { valueOrNull } from '../../host/host.ts'
import type { Dom0 } from '../dom0/dom0.ts'
import { observeNewest } from '../dom0/packages.ts'
import { KERNEL_PACKAGES } from '../dom0/rpm-database.ts'
import { bootFileRole, rpmDigest, xenImageName } from './boot-files.ts'

/** A file of the installed packages that the next boot should load. */
export type Wanted = {
  readonly name: string
  readonly role: 'tboot' | 'xen' | 'kernel'
  readonly sha256: string | null
  readonly isUnknown?: true
}

export async function listWanted(dom0: Dom0): Promise<readonly Wanted[]> {
  const wanted: Wanted[] = []
  const xen = await observeNewest(dom0, 'xen-hypervisor')
  if (xen) {
    const name = xenImageName(xen.evr)
    const files = valueOrNull(await dom0.rpm.files('xen-hypervisor'))
    wanted.push({ name, role: 'xen', sha256: rpmDigest(files, xen.evr, `/boot/${name}`) })
  }
  for (const kernelPackage of KERNEL_PACKAGES) {
    const newest = await observeNewest(dom0, kernelPackage)
    if (!newest) continue
    const files = valueOrNull(await dom0.rpm.files(kernelPackage))
    wanted.push(...listPackaged(files, newest.evr, 'kernel', kernelPackage))
  }
  const tboot = await observeNewest(dom0, 'tboot')
  if (tboot) {
    const files = valueOrNull(await dom0.rpm.files('tboot'))
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
