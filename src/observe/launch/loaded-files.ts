import { originalPath } from '../../core/launch/efi-entry.ts'
import type { FileFact } from '../../core/launch/explain-types.ts'
import type { XenMle } from '../../core/launch/xen-mle.ts'
import type { Session } from '../../core/session/checkpoint.ts'
import type { Dom0 } from '../dom0/dom0.ts'
import { observeOwner } from '../dom0/package-owner.ts'
import { observeTrustedKeys } from '../dom0/packages.ts'
import type { BootDeviceLaunch } from './launch.ts'

/** Every file the booted entry loads, with the package that vouches for exactly the bytes that were hashed. */
export async function observeFiles(
  dom0: Dom0,
  launch: BootDeviceLaunch,
  session: Session,
  isVouched: (path: string, sha256: string) => boolean,
): Promise<readonly FileFact[]> {
  const trusted = await observeTrustedKeys(dom0)
  const files: FileFact[] = []
  for (const [path, image] of Object.entries(launch.images)) {
    const owner = await observeOwner(dom0, `/boot${originalPath(path)}`, trusted)
    const own = image.storedDigests.sha256
    const isChanged = session.expectation?.changedPackages.includes(owner?.name ?? '') === true
    const [bulletin] = isChanged ? (session.expectation?.bulletins ?? []) : []
    files.push({
      path,
      image,
      reproduced: own !== undefined && isVouched(path, own),
      xen: xenOf(launch, path),
      package:
        owner === null
          ? null
          : {
              name: owner.name,
              evr: owner.evr,
              signer: owner.signer,
              signerKnown: owner.signerKnown,
              signatureFault: owner.signatureFault,
              installTime: owner.installedAt,
              unmodified: own === undefined ? null : own === owner.sha256,
            },
      bulletin: bulletin === undefined ? null : String(bulletin),
    })
  }
  return files
}

function xenOf({ booted, next, xen }: BootDeviceLaunch, path: string): XenMle | null {
  if (booted.entry?.launcher?.path === path) return xen.booted
  return next.entry?.launcher?.path === path ? xen.next : null
}
