import type { ConfirmedPackage } from '../../core/decide/confirm-update.ts'
import { isSinceBoot } from '../../core/decide/since-boot.ts'
import type { BootEntry } from '../../core/launch/boot-entry.ts'
import { originalPath } from '../../core/launch/efi-entry.ts'
import type { InstalledPackage } from '../../core/package/rpm.ts'
import type { Signer } from '../../core/package/signers.ts'
import type { Dom0 } from './dom0.ts'
import { observeOwningPackage } from './package-owner.ts'
import { observeIntegrity, observeTrustedKeys } from './packages.ts'
import { MEASURED_PACKAGES } from './rpm-database.ts'

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
  dom0: Dom0,
  bootTime: string | null,
  entry: BootEntry | null = null,
): Promise<ConfirmedPackages | null> {
  const trusted = await observeTrustedKeys(dom0)
  const loadedOrNewest: (readonly [InstalledPackage, ConfirmedPackage['component']])[] = []
  const unasked: string[] = []
  const loaded = await observeLoaded(dom0, entry)
  for (const { name, component } of MEASURED_PACKAGES) {
    const installed = await dom0.rpm.packages(name)
    if (installed.state !== 'seen') {
      unasked.push(name)
      continue
    }
    const newest = installed.value.find((item) => loaded.get(name) === item.evr) ?? installed.value.at(-1)
    if (newest) loadedOrNewest.push([newest, component])
  }
  // Verified side by side: rpm reads every file of a package.
  const packages = await Promise.all(
    loadedOrNewest.map(([one, component]) => {
      const isLoaded = loaded.get(one.name) === one.evr
      return confirm(dom0, one, component, trusted, { isLoaded, bootTime })
    }),
  )
  return unasked.length < MEASURED_PACKAGES.length ? { packages, unasked } : null
}

/** One installed version of a measured package, whichever the entry loads; null: rpm does not name it. */
export async function observeConfirmedVersion(
  dom0: Dom0,
  { name, evr, component }: Pick<ConfirmedPackage, 'name' | 'evr' | 'component'>,
): Promise<ConfirmedPackage | null> {
  const installed = await dom0.rpm.packages(name)
  const found = installed.state === 'seen' ? installed.value.find((item) => item.evr === evr) : undefined
  if (found === undefined) return null
  const trusted = await observeTrustedKeys(dom0)
  return confirm(dom0, found, component, trusted, { isLoaded: false, bootTime: null })
}

async function confirm(
  dom0: Dom0,
  installed: InstalledPackage,
  component: ConfirmedPackage['component'],
  trusted: readonly Signer[],
  { isLoaded, bootTime }: { readonly isLoaded: boolean; readonly bootTime: string | null },
): Promise<ConfirmedPackage> {
  const integrity = await observeIntegrity(dom0, installed, trusted)
  return {
    name: installed.name,
    component,
    evr: installed.evr,
    isLoaded,
    installedAt: installed.installedAt,
    changedSinceBoot:
      bootTime === null
        ? null
        : isSinceBoot(Date.parse(installed.installedAt), Date.parse(bootTime), dom0.host.now),
    signer: integrity.signer?.name ?? null,
    signature: integrity.signature,
    keyId: installed.signatureKeyId,
    changedFiles: integrity.changedFiles?.map((file) => file.path) ?? null,
  }
}

/** EVR by name of the packages whose files an entry loads. */
async function observeLoaded(dom0: Dom0, entry: BootEntry | null): Promise<ReadonlyMap<string, string>> {
  const loaded = new Map<string, string>()
  for (const file of [entry?.launcher ?? null, ...(entry?.modules ?? [])]) {
    const owner = file === null ? null : await observeOwningPackage(dom0, `/boot${originalPath(file.path)}`)
    if (owner !== null) loaded.set(owner.name, owner.evr)
  }
  return loaded
}
