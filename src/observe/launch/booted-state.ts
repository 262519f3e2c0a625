import { decideBootDevice } from '../../core/decide/boot-device.ts'
import { isSinceBoot } from '../../core/decide/since-boot.ts'
import { valueOrNull } from '../../host/host.ts'
import { type BootDeviceFacts, observeBootDevice } from '../device/boot-device.ts'
import { type AemDevice, openDevice } from '../device/devices.ts'
import type { Dom0 } from '../dom0/dom0.ts'
import type { MachineFacts } from '../dom0/machine.ts'
import { observeNewest } from '../dom0/packages.ts'
import { MEASURED_PACKAGES } from '../dom0/rpm-database.ts'
import { observeNextDifference } from './next-difference.ts'

export type BootedState = { readonly isCurrent: boolean | null; readonly why: string | null }

/**
 * Did this boot run what the device carries now, and is that what is installed? The boot files must be those of the
 * packages, neither they nor a measured package may be newer than the boot, and the running kernel must be one of them:
 * otherwise the next boot measures something else than this one did.
 */
export async function observeBootedState(
  dom0: Dom0,
  device: AemDevice,
  machine: MachineFacts,
): Promise<BootedState> {
  const facts = await observeBootDevice(dom0, device, machine.xen.buildId)
  const state = decideBootDevice({ present: device.present, isOpen: facts.isOpen }, facts.checks)
  if (state === 'unknown' || state === 'absent')
    return { isCurrent: null, why: `its boot files could not all be checked (${state})` }
  if (state !== 'current') return { isCurrent: false, why: `its boot files are ${state}` }
  const { bootTime, kernelRelease } = machine
  const changes = await observeChanges(dom0, device, facts)
  if (bootTime === null || kernelRelease === null || changes === null)
    return { isCurrent: null, why: 'whether a boot file changed since this boot could not be determined' }
  const isSince = ({ at }: Change): boolean | null => isSinceBoot(at, Date.parse(bootTime), dom0.host.now)
  const [last] = changes.filter((change) => isSince(change) === true)
  if (last !== undefined)
    return {
      isCurrent: false,
      why: `${last.what} changed after it was booted: the next boot measures another`,
    }
  if (changes.some((change) => isSince(change) === null)) {
    const difference = await observeDifference(dom0)
    if (difference !== null) return difference
  }
  const isWantedKernel = facts.checks.some(
    ({ role, path }) => role === 'kernel' && path.endsWith(`/vmlinuz-${kernelRelease}`),
  )
  if (isWantedKernel) return { isCurrent: true, why: null }
  return { isCurrent: false, why: `an older kernel was booted (${kernelRelease})` }
}

/** Where the clock was set back, what the next boot measures says it: by the bytes. @returns null where it is the same */
async function observeDifference(dom0: Dom0): Promise<BootedState | null> {
  const next = await observeNextDifference(dom0)
  if (next === null)
    return {
      isCurrent: null,
      why: 'whether a boot file changed since this boot could not be determined: the clock is behind the times of the boot files',
    }
  return next.length === 0
    ? null
    : { isCurrent: false, why: `the next boot measures another: ${next.join(', ')}` }
}

type Change = { readonly what: string; readonly at: number }

/** When each boot file and each measured package was changed, the last first; null where one of them could not be told. */
async function observeChanges(
  dom0: Dom0,
  device: AemDevice,
  facts: BootDeviceFacts,
): Promise<readonly Change[] | null> {
  const { host } = dom0
  const changes: Change[] = []
  const media = valueOrNull(await openDevice(host, device))
  if (media === null) return null
  try {
    // SINIT is no package's, and what stands beside grub.cfg no check's; the next boot is of them all the same.
    const others = [...facts.files.filter(({ role }) => role === 'sinit'), ...facts.grubFiles]
    for (const { path } of [...facts.checks, ...others]) {
      const stat = valueOrNull(await host.statFile(path))
      if (stat === null || !Number.isFinite(stat.mtimeMs)) return null
      changes.push({ what: path.slice(media.root.length + 1), at: stat.mtimeMs })
    }
  } finally {
    await media.close()
  }
  for (const { name } of MEASURED_PACKAGES) {
    const installed = await observeNewest(dom0, name)
    if (installed) changes.push({ what: `the package ${name}`, at: Date.parse(installed.installedAt) })
  }
  return changes.sort((one, other) => other.at - one.at)
}

/** `name evr` of the newest of each measured package that is installed; null where none could be listed. */
export async function observePackageNames(dom0: Dom0): Promise<readonly string[] | null> {
  const names: string[] = []
  for (const { name } of MEASURED_PACKAGES) {
    const installed = await observeNewest(dom0, name)
    if (installed) names.push(`${installed.name} ${installed.evr}`)
  }
  return names.length > 0 ? names : null
}

/** The same of when this boot began; null where one of them came since, or where that is not known. */
export async function observePackagesOfBoot(
  dom0: Dom0,
  bootTime: string | null,
): Promise<readonly string[] | null> {
  const newest = await observeNewestSince(dom0, bootTime)
  return newest.every(({ isSince }) => isSince === false) ? observePackageNames(dom0) : null
}

/** The newest of each measured package that came since this boot began, by its time. */
export async function observePackagesSince(
  dom0: Dom0,
  bootTime: string | null,
): Promise<readonly { readonly name: string; readonly evr: string }[]> {
  const newest = await observeNewestSince(dom0, bootTime)
  return newest.filter(({ isSince }) => isSince === true).map(({ name, evr }) => ({ name, evr }))
}

async function observeNewestSince(dom0: Dom0, bootTime: string | null) {
  const newest = await Promise.all(MEASURED_PACKAGES.map(({ name }) => observeNewest(dom0, name)))
  return newest.flatMap((one) => {
    if (one === null) return []
    const { name, evr, installedAt } = one
    const isSince =
      bootTime === null ? null : isSinceBoot(Date.parse(installedAt), Date.parse(bootTime), dom0.host.now)
    return [{ name, evr, isSince }]
  })
}
