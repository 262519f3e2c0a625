import type { ConfirmedPackage } from '../core/decide/confirm-update.ts'
import type { BootEntry } from '../core/launch/boot-entry.ts'
import { originalPath } from '../core/launch/efi-entry.ts'
import type { Host } from '../host/host.ts'
import { observeOwningPackage } from './owner.ts'
import { MEASURED_PACKAGES, observeIntegrity, observePackage, observeTrustedKeys } from './packages.ts'

export type ConfirmedPackages = {
  readonly packages: readonly ConfirmedPackage[]
  /** Measured packages that rpm gave no answer about. */
  readonly unasked: readonly string[]
}

/**
 * Each measured package with signature and integrity; null when rpm does not answer at all. Of several installed
 * versions it is the one whose file the entry loads, as GRUB goes by its own rule, else the newest by RPM's order.
 *
 * @param entry the entry that boots next, or booted; null where it is not known
 */
export async function observeConfirmedPackages(
  host: Host,
  bootTime: string | null,
  entry: BootEntry | null = null,
): Promise<ConfirmedPackages | null> {
  const trusted = await observeTrustedKeys(host)
  const confirmed: ConfirmedPackage[] = []
  const unasked: string[] = []
  const loaded = await observeLoaded(host, entry)
  for (const { name, component } of MEASURED_PACKAGES) {
    const installed = await observePackage(host, name)
    if (installed.state !== 'seen') {
      unasked.push(name)
      continue
    }
    const newest = installed.value.find((item) => loaded.get(name) === item.evr) ?? installed.value.at(-1)
    if (!newest) continue
    const integrity = await observeIntegrity(host, newest, trusted)
    confirmed.push({
      name,
      component,
      evr: newest.evr,
      isLoaded: loaded.get(name) === newest.evr,
      installedAt: newest.installedAt,
      changedSinceBoot: bootTime === null ? null : newest.installedAt > bootTime,
      signer: integrity.signer?.name ?? null,
      signature: integrity.signature,
      keyId: newest.signatureKeyId,
      changedFiles: integrity.changedFiles?.map((file) => file.path) ?? null,
    })
  }
  return unasked.length < MEASURED_PACKAGES.length ? { packages: confirmed, unasked } : null
}

/** EVR by name of the packages whose files an entry loads. */
async function observeLoaded(host: Host, entry: BootEntry | null): Promise<ReadonlyMap<string, string>> {
  const loaded = new Map<string, string>()
  for (const file of [entry?.launcher ?? null, ...(entry?.modules ?? [])]) {
    const owner = file === null ? null : await observeOwningPackage(host, `/boot${originalPath(file.path)}`)
    if (owner !== null) loaded.set(owner.name, owner.evr)
  }
  return loaded
}
