import { command } from '../commands.ts'
import {
  type InstalledPackage,
  type PackageFile,
  parseRpmFiles,
  parseRpmQuery,
  parseRpmSignature,
  parseRpmVerify,
  type VerifyFinding,
} from '../core/package/rpm.ts'
import { findSigner, parseTrustedKeys, type Signer, type TrustedKeys } from '../core/package/signers.ts'
import type { Host, Seen } from '../host/host.ts'
import { valueOrNull } from '../host/host.ts'
import { TRUSTED_KEYS_FILE } from '../paths.ts'
import { parsed, readText } from './read.ts'

export type Component = 'xen' | 'kernel' | 'microcode' | 'initramfs' | 'tboot' | 'aem'

/** Packages whose files end up in what AEM measures. */
export const MEASURED_PACKAGES: readonly { readonly name: string; readonly component: Component }[] = [
  { name: 'xen-hypervisor', component: 'xen' },
  { name: 'kernel', component: 'kernel' },
  { name: 'kernel-latest', component: 'kernel' },
  { name: 'microcode_ctl', component: 'microcode' },
  { name: 'amd-ucode-firmware', component: 'microcode' },
  { name: 'linux-firmware', component: 'initramfs' },
  { name: 'dracut', component: 'initramfs' },
  { name: 'anti-evil-maid', component: 'aem' },
  { name: 'tboot', component: 'tboot' },
]

/** All installed versions of a package. */
export async function observePackage(host: Host, name: string): Promise<Seen<readonly InstalledPackage[]>> {
  const run = await host.run(command('rpm-query', { name }))
  return parsed(run, ({ stdout }) => parseRpmQuery(stdout), 'rpm -q')
}

/** The newest installed version by RPM's order, or null (not installed, or unknown). */
export async function observeNewest(host: Host, name: string): Promise<InstalledPackage | null> {
  return valueOrNull(await observePackage(host, name))?.at(-1) ?? null
}

export async function observePackageFiles(host: Host, name: string): Promise<readonly PackageFile[] | null> {
  const run = await host.run(command('rpm-files', { name }))
  return valueOrNull(parsed(run, ({ stdout }) => parseRpmFiles(stdout), 'rpm -q --qf'))
}

export type PackageIntegrity = {
  /** null: not signed, or the key is not known. */
  readonly signer: Signer | null
  readonly signature: 'ok' | 'no-key' | 'bad' | 'unsigned' | null
  /** Findings that change contents; attributes only are left out. null: could not be checked. */
  readonly changedFiles: readonly VerifyFinding[] | null
}

/** Signature and integrity of an installed package; all versions of the name are verified together. */
export async function observeIntegrity(
  host: Host,
  installed: InstalledPackage,
  trusted: readonly Signer[],
): Promise<PackageIntegrity> {
  const verify = await host.run(command('rpm-verify', { name: installed.name }))
  const findings = valueOrNull(parsed(verify, ({ stdout, exit }) => parseRpmVerify(stdout, exit), 'rpm -V'))
  return {
    ...(await observeSigner(host, installed, trusted)),
    // Ghost files are made after the installation (the initramfs), configuration is the user's to change.
    changedFiles:
      findings?.filter(
        ({ kind, fileFlag }) => kind !== 'attributes' && fileFlag !== 'g' && fileFlag !== 'c',
      ) ?? null,
  }
}

/** Who signed an installed package, and what rpm says of the signature. */
export async function observeSigner(
  host: Host,
  installed: InstalledPackage,
  trusted: readonly Signer[],
): Promise<Pick<PackageIntegrity, 'signer' | 'signature'>> {
  return {
    signer: findSigner(installed.signatureKeyId, trusted),
    signature: await observeSignature(host, installed),
  }
}

async function observeSignature(
  host: Host,
  installed: InstalledPackage,
): Promise<PackageIntegrity['signature']> {
  const keyId = installed.signatureKeyId
  if (keyId === null) return 'unsigned'
  const run = await host.run(command('rpm-signature', { name: installed.name }))
  return valueOrNull(
    parsed(run, ({ stderr, stdout }) => parseRpmSignature(`${stderr}\n${stdout}`, keyId), 'rpm -qvv'),
  )
}

/** The user's further signers; none where the file is absent or cannot be read. */
export async function observeTrustedKeys(host: Host): Promise<readonly Signer[]> {
  return (await observeTrustedKeysFile(host))?.signers ?? []
}

/** The same with the lines that trust nobody; null where the file could not be read, which trusts nobody either. */
export async function observeTrustedKeysFile(host: Host): Promise<TrustedKeys | null> {
  const text = await readText(host, TRUSTED_KEYS_FILE)
  if (text.state === 'unknown') return null
  return parseTrustedKeys(text.state === 'seen' ? text.value : '')
}

/** Why the file is there and trusts nobody, on the machine itself; null where it was read or is not there. */
export async function explainUnreadTrustedKeys(host: Host): Promise<string | null> {
  const text = host.kind === 'real' ? await readText(host, TRUSTED_KEYS_FILE) : null
  return text?.state === 'unknown' ? text.why : null
}
