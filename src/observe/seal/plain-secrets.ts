import { SECRET_KINDS, type SecretKind } from '../../core/decide/verify-unseal.ts'
import type { Host } from '../../host/host.ts'

/** sha256 of each secret that dom0 keeps for a device; null where it could not be read, left out where it is absent. */
export type PlainSecrets = Readonly<Partial<Record<SecretKind, string | null>>>

export function plainSecretPath(label: string, kind: SecretKind): string {
  return `/var/lib/anti-evil-maid/${label}/secret.${kind}`
}

export async function observePlainSecrets(host: Host, label: string): Promise<PlainSecrets> {
  const found: Partial<Record<SecretKind, string | null>> = {}
  for (const kind of SECRET_KINDS) {
    const digests = await host.digestFile(plainSecretPath(label, kind))
    if (digests.state === 'seen') found[kind] = digests.value.sha256
    if (digests.state === 'unknown') found[kind] = null
  }
  return found
}
