import type { SelectionLook } from '../../core/aem/seal-selection.ts'
import { isSinceBoot } from '../../core/decide/since-boot.ts'
import type { Flavour } from '../../core/launch/boot-entry.ts'
import type { Updates } from '../../core/mark/updates.ts'
import { parseEvr } from '../../core/package/evr.ts'
import type { InstalledPackage } from '../../core/package/rpm.ts'
import type { MalformedLine } from '../../core/package/signers.ts'
import type { ForwardValuesOf } from '../../core/seal/forward-of-session.ts'
import type { Host, Seen } from '../../host/host.ts'
import { valueOrNull } from '../../host/host.ts'
import { bootFileRole, listBootFiles, rpmDigest, xenImageName } from '../device/boot-files.ts'
import { isMeasured, listBadPcrs, type TpmFacts } from '../launch/pcrs.ts'
import { exists } from '../read-text.ts'
import { observeBinding } from '../seal/binding.ts'
import type { SealedCopy } from '../seal/sealed-copy.ts'
import { type DeviceStatus, type ExpectedBootFiles, observeDeviceFiles } from './device-status.ts'
import type { Dom0 } from './dom0.ts'
import type { MachineFacts } from './machine.ts'
import { explainUnreadTrustedKeys, observeNewest } from './packages.ts'
import { observeUpdates } from './update-mark.ts'

export type AemFacts = {
  readonly installed: boolean | null
  readonly version: string | null
  readonly flavour: Flavour | null
  readonly selectedPcrs: readonly number[] | null
  /** Where they come from, or why they are not known. */
  readonly selection: SelectionLook
}

export type InstalledXen = {
  readonly evr: string | null
  readonly buildId: string | null
  readonly installedAt: string | null
}

export type StatusFacts = {
  readonly machine: MachineFacts
  readonly tpm: TpmFacts
  readonly aem: AemFacts
  readonly measured: boolean | null
  readonly badPcrs: readonly number[]
  readonly devices: readonly DeviceStatus[]
  /** All devices could be listed: there are no others. */
  readonly areDevicesKnown: boolean
  readonly installedXen: InstalledXen
  readonly pendingRestart: boolean | null
  /** Lines of /etc/aem-reseal/trusted-keys that trust nobody; null where it could not be read. */
  readonly malformedTrustedKeys: readonly MalformedLine[] | null
  /** Why that file trusts nobody as a whole. */
  readonly trustedKeysUnread: string | null
  /** What was updated and no approved boot accounts for. */
  readonly updates: Updates
}

/**
 * Everything that one look at the machine tells, without changing it.
 * @param forward register values that a device was sealed forward to, by its label; null: it was not
 */
export async function observeStatus(dom0: Dom0, forward: ForwardValuesOf = () => null): Promise<StatusFacts> {
  const { host } = dom0
  // Programs that need nothing of each other run at the same time.
  const [machine, tpm, aem, { installedXen, expected }, all] = await Promise.all([
    dom0.machine(),
    dom0.tpm(),
    observeAem(dom0),
    observeInstalledXen(dom0),
    dom0.devices(),
  ])
  const devices: DeviceStatus[] = []
  for (const device of all.devices) {
    const bind = (copy: SealedCopy | null) =>
      observeBinding(host, copy, tpm, aem.selectedPcrs, forward(device.label))
    devices.push({ ...device, ...(await observeDeviceFiles(dom0, device, expected, bind)) })
  }
  return {
    machine,
    tpm,
    aem,
    measured: isMeasured(tpm),
    badPcrs: listBadPcrs(tpm, aem.selectedPcrs ?? []),
    devices,
    areDevicesKnown: all.isComplete,
    installedXen,
    pendingRestart: decidePendingRestart(machine, installedXen, host.now),
    malformedTrustedKeys: (await dom0.trustedKeys())?.malformed ?? null,
    trustedKeysUnread: await explainUnreadTrustedKeys(host),
    updates: await observeUpdates(dom0),
  }
}

async function observeAem(dom0: Dom0): Promise<AemFacts> {
  const { host } = dom0
  const packages = await dom0.rpm.packages('anti-evil-maid')
  const selection = await dom0.selection()
  const newest = packages.state === 'seen' ? packages.value.at(-1) : undefined
  return {
    installed: await decideInstalled(host, packages),
    version: newest === undefined ? null : parseEvr(newest.evr).version,
    flavour: await observeFlavour(host),
    selectedPcrs: selection.state === 'read' ? selection.pcrs : null,
    selection,
  }
}

async function decideInstalled(
  host: Host,
  packages: Seen<readonly InstalledPackage[]>,
): Promise<boolean | null> {
  if (packages.state === 'seen') return packages.value.length > 0
  return exists(host, '/usr/sbin/anti-evil-maid-seal')
}

/** Each flavour brings its own GRUB script (QubesOS and TrenchBoot qubes-antievilmaid, etc/grub.d). */
export async function observeFlavour(host: Host): Promise<AemFacts['flavour']> {
  const [tboot, trenchboot] = [
    await exists(host, '/etc/grub.d/19_linux_xen_tboot'),
    await exists(host, '/etc/grub.d/19_linux_xen_trenchboot'),
  ]
  if (trenchboot) return tboot ? null : 'trenchboot'
  return tboot ? 'tboot' : null
}

export async function observeInstalledXen(
  dom0: Dom0,
): Promise<{ installedXen: InstalledXen; expected: ExpectedBootFiles }> {
  const { host } = dom0
  const newest = await observeNewest(dom0, 'xen-hypervisor')
  const inBoot = (await listBootFiles(host, '/boot')) ?? []
  const images = inBoot.filter((name) => bootFileRole(name) === 'xen')
  const name = newest ? xenImageName(newest.evr) : images.length === 1 ? (images[0] ?? null) : null
  const digests = name === null ? null : valueOrNull(await dom0.digest(`/boot/${name}`))
  const files = newest ? valueOrNull(await dom0.rpm.files('xen-hypervisor')) : null
  const fromRpm = newest && name ? rpmDigest(files, newest.evr, `/boot/${name}`) : null
  return {
    installedXen: {
      evr: newest?.evr ?? null,
      buildId: digests?.buildId ?? null,
      installedAt: newest?.installedAt ?? null,
    },
    expected: {
      xen: name === null ? null : { name, sha256: fromRpm ?? digests?.sha256 ?? null, fromRpm },
      kernels: inBoot.filter((file) => bootFileRole(file) === 'kernel'),
    },
  }
}

/** Is another Xen installed than the one that runs? By build id; else by install time against boot time. */
export function decidePendingRestart(
  machine: MachineFacts,
  installed: InstalledXen,
  now: () => Date,
): boolean | null {
  if (machine.xen.buildId !== null && installed.buildId !== null) {
    return machine.xen.buildId !== installed.buildId
  }
  const version = installed.evr === null ? null : parseEvr(installed.evr).version
  if (machine.xen.version !== null && version !== null && machine.xen.version !== version) return true
  if (machine.bootTime === null || installed.installedAt === null) return null
  return isSinceBoot(Date.parse(installed.installedAt), Date.parse(machine.bootTime), now)
}
