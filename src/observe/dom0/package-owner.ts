import type { InstalledPackage } from '../../core/package/rpm.ts'
import { describeSignatureFault, type Signer } from '../../core/package/signers.ts'
import { valueOrNull } from '../../host/host.ts'
import { isAbsolutePath } from '../../tables/commands.ts'
import type { Dom0 } from './dom0.ts'
import { observeIntegrity } from './packages.ts'

export type OwnerFacts = {
  readonly name: string
  readonly evr: string
  readonly signer: string | null
  /** The signature is good and its key is a known one. */
  readonly signerKnown: boolean
  /** What stands against its signature, in words (core/package/signers.ts); null where nothing does. */
  readonly signatureFault: string | null
  readonly installedAt: string
  /** This very file is as packaged; null when that could not be checked. */
  readonly unmodified: boolean | null
  /** SHA-256 the package has for the file; null for files made after the installation (the initramfs). */
  readonly sha256: string | null
}

/**
 * The installed version that a file of dom0 belongs to. Where several own it (versions that share a path) nobody can say
 * which of them brought it.
 * @param path may come from grub.cfg on a stick: one that is no plain path belongs to nobody
 */
export async function observeOwningPackage(dom0: Dom0, path: string): Promise<InstalledPackage | null> {
  if (!isAbsolutePath(path)) return null
  const found = valueOrNull(await dom0.rpm.owners(path))
  return found?.length === 1 ? (found[0] ?? null) : null
}

/** The package that brought a file of dom0, or null when none did, or it cannot be asked. */
export async function observeOwner(
  dom0: Dom0,
  path: string,
  trusted: readonly Signer[],
): Promise<OwnerFacts | null> {
  const owner = await observeOwningPackage(dom0, path)
  if (owner === null) return null
  const files = valueOrNull(await dom0.rpm.files(owner.name))
  const sha256 = files?.find((file) => file.path === path && file.evr === owner.evr)?.sha256 ?? null
  // A file without a digest in its package is made by somebody else: its owner vouches for its name only.
  if (sha256 === null) return null
  const integrity = await observeIntegrity(dom0, owner, trusted)
  return {
    name: owner.name,
    evr: owner.evr,
    signer: integrity.signer?.name ?? null,
    signerKnown: integrity.signature === 'ok' && integrity.signer !== null,
    signatureFault: describeSignatureFault({
      signature: integrity.signature,
      signer: integrity.signer?.name ?? null,
      keyId: owner.signatureKeyId,
    }),
    installedAt: owner.installedAt,
    unmodified:
      integrity.changedFiles === null ? null : !integrity.changedFiles.some((file) => file.path === path),
    sha256,
  }
}
