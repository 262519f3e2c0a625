import type { ConfirmedPackage } from '../../core/decide/confirm-update.ts'
import type { EarlierVersion } from '../../core/decide/downgrades.ts'
import { compareEvr } from '../../core/package/evr.ts'
import type { Baseline } from '../../core/session/checkpoint.ts'
import type { Versions } from '../../core/session/versions.ts'
import type { MachineFacts } from './machine.ts'

/**
 * What the running Xen and kernel say of their own versions: Xen without its release, the kernel with it.
 * @param packages as they count for the next boot
 */
export function listRunningVersions(
  machine: MachineFacts,
  packages: readonly ConfirmedPackage[],
): readonly EarlierVersion[] {
  const { xen, kernelRelease } = machine
  const kernel = findKernel(packages)
  const running = kernelRelease?.replace(/\.(?:x86_64|i686)$/, '')
  return [
    ...(xen.version === null
      ? []
      : [{ name: 'xen-hypervisor', evr: xen.version, source: 'running' as const }]),
    ...(running === undefined || kernel === null
      ? []
      : [{ name: kernel.name, evr: running, source: 'running' as const }]),
  ]
}

/** `kernel` and `kernel-latest` can both be installed: the one that is loaded, else the newer one. */
function findKernel(packages: readonly ConfirmedPackage[]): ConfirmedPackage | null {
  const kernels = packages.filter((item) => item.component === 'kernel')
  const newest = [...kernels].sort((a, b) => compareEvr(b.evr, a.evr))[0]
  return kernels.find((item) => item.isLoaded) ?? newest ?? null
}

/** What was confirmed in earlier sessions. */
export function listRecordedVersions(versions: Versions | null): readonly EarlierVersion[] {
  return (versions?.packages ?? []).map(({ name, evr }) => ({ name, evr, source: 'recorded' }))
}

/** What was installed when the baseline was taken. */
export function listBaselineVersions({ packages, runningXen }: Baseline): readonly EarlierVersion[] {
  return [
    ...packages.map(({ name, evr }) => ({ name, evr, source: 'baseline' as const })),
    ...(runningXen.version === null
      ? []
      : [{ name: 'xen-hypervisor', evr: runningXen.version, source: 'baseline' as const }]),
  ]
}
