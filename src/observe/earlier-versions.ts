import type { EarlierVersion } from '../core/decide/downgrades.ts'
import type { Baseline } from '../core/session/checkpoint.ts'
import type { Versions } from '../core/session/versions.ts'
import type { MachineFacts } from './machine.ts'

/** Packages of dom0's kernel: the running one can be of either. */
const KERNEL_PACKAGES = ['kernel', 'kernel-latest'] as const

/** What the running Xen and kernel say of their own versions: Xen without its release, the kernel with it. */
export function listRunningVersions(machine: MachineFacts): readonly EarlierVersion[] {
  const { xen, kernelRelease } = machine
  const kernel = kernelRelease?.replace(/\.(?:x86_64|i686)$/, '')
  return [
    ...(xen.version === null
      ? []
      : [{ name: 'xen-hypervisor', evr: xen.version, source: 'running' as const }]),
    ...(kernel === undefined
      ? []
      : KERNEL_PACKAGES.map((name) => ({ name, evr: kernel, source: 'running' as const }))),
  ]
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
