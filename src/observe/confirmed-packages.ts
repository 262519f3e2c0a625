import type { ConfirmedPackage } from '../core/decide/confirm-update.ts'
import type { Host } from '../host/host.ts'
import { MEASURED_PACKAGES, observeIntegrity, observePackage, observeTrustedKeys } from './packages.ts'

/** Newest version of each measured package, with signature and integrity; null when rpm does not answer at all. */
export async function observeConfirmedPackages(
  host: Host,
  bootTime: string | null,
): Promise<readonly ConfirmedPackage[] | null> {
  const trusted = await observeTrustedKeys(host)
  const confirmed: ConfirmedPackage[] = []
  let isRpmKnown = false
  for (const { name, component } of MEASURED_PACKAGES) {
    const installed = await observePackage(host, name)
    if (installed.state !== 'seen') continue
    isRpmKnown = true
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
  return isRpmKnown ? confirmed : null
}
