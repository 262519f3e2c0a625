import { isUnlistedKey } from '../../core/package/signers.ts'
import { valueOrNull } from '../../host/host.ts'
import type { Dom0 } from './dom0.ts'
import { observeSigner, observeTrustedKeys } from './packages.ts'
import { MEASURED_PACKAGES } from './rpm-database.ts'

/** A measured package whose newest version is signed by a key that RPM has and that is no known signer's. */
export type UnlistedKey = { readonly name: string; readonly evr: string; readonly keyId: string }

/** Those among the measured packages; what rpm does not answer about is not among them. */
export async function observeUnlistedKeys(dom0: Dom0): Promise<readonly UnlistedKey[]> {
  const trusted = await observeTrustedKeys(dom0)
  const found: UnlistedKey[] = []
  for (const { name } of MEASURED_PACKAGES) {
    const newest = valueOrNull(await dom0.rpm.packages(name))?.at(-1)
    const keyId = newest?.signatureKeyId ?? null
    if (newest === undefined || keyId === null) continue
    const { signature, signer } = await observeSigner(dom0, newest, trusted)
    if (isUnlistedKey({ signature, signer: signer?.name ?? null, keyId }))
      found.push({ name, evr: newest.evr, keyId })
  }
  return found
}
