import { command, isAbsolutePath } from '../commands.ts'
import { type InstalledPackage, parseRpmQuery } from '../core/package/rpm.ts'
import { describeSignatureFault, type Signer } from '../core/package/signers.ts'
import type { Host } from '../host/host.ts'
import { valueOrNull } from '../host/host.ts'
import { observeIntegrity, observePackageFiles } from './packages.ts'
import { parsed } from './read.ts'

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
export async function observeOwningPackage(host: Host, path: string): Promise<InstalledPackage | null> {
  if (!isAbsolutePath(path)) return null
  const run = await host.run(command('rpm-owner', { path }))
  const found = valueOrNull(
    parsed(run, ({ stdout, exit }) => (exit === 0 ? parseRpmQuery(stdout) : []), 'rpm -qf'),
  )
  return found?.length === 1 ? (found[0] ?? null) : null
}

/** The package that brought a file of dom0, or null when none did, or it cannot be asked. */
export async function observeOwner(
  host: Host,
  path: string,
  trusted: readonly Signer[],
): Promise<OwnerFacts | null> {
  const owner = await observeOwningPackage(host, path)
  if (owner === null) return null
  const files = await observePackageFiles(host, owner.name)
  const sha256 = files?.find((file) => file.path === path && file.evr === owner.evr)?.sha256 ?? null
  // A file without a digest in its package is made by somebody else: its owner vouches for its name only.
  if (sha256 === null) return null
  const integrity = await observeIntegrity(host, owner, trusted)
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
