import { type InstalledPackage, parseRpmSignature, type VerifyFinding } from '../../core/package/rpm.ts'
import { findSigner, type SignatureState, type Signer } from '../../core/package/signers.ts'
import type { Host } from '../../host/host.ts'
import { valueOrNull } from '../../host/host.ts'
import { AEM_CONFIGURATION, TRUSTED_KEYS_FILE } from '../../tables/paths.ts'
import { parsed, readText } from '../read-text.ts'
import type { Dom0 } from './dom0.ts'

/** The newest installed version by RPM's order, or null (not installed, or unknown). */
export async function observeNewest(dom0: Dom0, name: string): Promise<InstalledPackage | null> {
  return valueOrNull(await dom0.rpm.packages(name))?.at(-1) ?? null
}

export type PackageIntegrity = {
  /** null: not signed, or the key is not known. */
  readonly signer: Signer | null
  readonly signature: SignatureState | null
  /** Findings that change contents; attributes only are left out. null: could not be checked. */
  readonly changedFiles: readonly VerifyFinding[] | null
}

/** Signature and integrity of an installed package; all versions of the name are verified together. */
export async function observeIntegrity(
  dom0: Dom0,
  installed: InstalledPackage,
  trusted: readonly Signer[],
): Promise<PackageIntegrity> {
  const [found, signer] = await Promise.all([
    dom0.rpm.findings(installed.name),
    observeSigner(dom0, installed, trusted),
  ])
  const findings = valueOrNull(found)
  return {
    ...signer,
    changedFiles: findings?.filter(isChange) ?? null,
  }
}

/** Ghost files are made after the installation (the initramfs), configuration is the user's to change. */
function isChange({ kind, fileFlag, path }: VerifyFinding): boolean {
  if (kind === 'attributes' || fileFlag === 'g' || fileFlag === 'c') return false
  // Its README says to edit it, and the package does not mark it as configuration (anti-evil-maid 4.2.0, anti-evil-maid.spec.in).
  return path !== AEM_CONFIGURATION || kind === 'missing'
}

/** Who signed an installed package, and what rpm says of the signature. */
export async function observeSigner(
  dom0: Dom0,
  installed: InstalledPackage,
  trusted: readonly Signer[],
): Promise<Pick<PackageIntegrity, 'signer' | 'signature'>> {
  return {
    signer: findSigner(installed.signatureKeyId, trusted),
    signature: await observeSignature(dom0, installed),
  }
}

async function observeSignature(
  dom0: Dom0,
  installed: InstalledPackage,
): Promise<PackageIntegrity['signature']> {
  const keyId = installed.signatureKeyId
  if (keyId === null) return 'unsigned'
  const run = await dom0.rpm.headerWords(installed.name)
  return valueOrNull(
    parsed(run, ({ stderr, stdout }) => parseRpmSignature(`${stderr}\n${stdout}`, keyId), 'rpm -qvv'),
  )
}

/** The user's further signers; none where the file is absent or cannot be read. */
export async function observeTrustedKeys(dom0: Dom0): Promise<readonly Signer[]> {
  return (await dom0.trustedKeys())?.signers ?? []
}

/** Why the file is there and trusts nobody, on the machine itself; null where it was read or is not there. */
export async function explainUnreadTrustedKeys(host: Host): Promise<string | null> {
  const text = host.kind === 'real' ? await readText(host, TRUSTED_KEYS_FILE) : null
  return text?.state === 'unknown' ? text.why : null
}
