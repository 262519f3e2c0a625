import type { ConfirmedPackage } from '../core/decide/confirm-update.ts'
import type { Host } from '../host/host.ts'
import { MEASURED_PACKAGES, observeIntegrity, observePackage, observeTrustedKeys } from './packages.ts'

export type ConfirmedPackages = {
  readonly packages: readonly ConfirmedPackage[]
  /** Measured packages that rpm gave no answer about. */
  readonly unasked: readonly string[]
}

/** Newest version of each measured package, with signature and integrity; null when rpm does not answer at all. */
export async function observeConfirmedPackages(
  host: Host,
  bootTime: string | null,
): Promise<ConfirmedPackages | null> {
  const trusted = await observeTrustedKeys(host)
  const confirmed: ConfirmedPackage[] = []
  const unasked: string[] = []
  for (const { name, component } of MEASURED_PACKAGES) {
    const installed = await observePackage(host, name)
    if (installed.state !== 'seen') {
      unasked.push(name)
      continue
    }
    const newest = installed.value.at(-1)
    if (!newest) continue
    const integrity = await observeIntegrity(host, newest, trusted)
    confirmed.push({
      name,
      component,
      evr: newest.evr,
      installedAt: newest.installedAt,
      changedSinceBoot: bootTime === null ? null : newest.installedAt > bootTime,
      signer: integrity.signer?.name ?? null,
      signature: integrity.signature,
      changedFiles: integrity.changedFiles?.map((file) => file.path) ?? null,
    })
  }
  return unasked.length < MEASURED_PACKAGES.length ? { packages: confirmed, unasked } : null
}
