import { isUnlistedKey } from '../core/package/signers.ts'
import type { Host } from '../host/host.ts'
import { valueOrNull } from '../host/host.ts'
import { MEASURED_PACKAGES, observePackage, observeSigner, observeTrustedKeys } from './packages.ts'

/** A measured package whose newest version is signed by a key that RPM has and that is no known signer's. */
export type UnlistedKey = { readonly name: string; readonly evr: string; readonly keyId: string }

/** Those among the measured packages; what rpm does not answer about is not among them. */
export async function observeUnlistedKeys(host: Host): Promise<readonly UnlistedKey[]> {
  const trusted = await observeTrustedKeys(host)
  const found: UnlistedKey[] = []
  for (const { name } of MEASURED_PACKAGES) {
    const newest = valueOrNull(await observePackage(host, name))?.at(-1)
    const keyId = newest?.signatureKeyId ?? null
    if (newest === undefined || keyId === null) continue
    const { signature, signer } = await observeSigner(host, newest, trusted)
    if (isUnlistedKey({ signature, signer: signer?.name ?? null, keyId }))
      found.push({ name, evr: newest.evr, keyId })
  }
  return found
}
