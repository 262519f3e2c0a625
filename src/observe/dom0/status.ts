import type { SelectionLook } from '../../core/aem/seal-selection.ts'
import type { ComparedFile } from '../../core/decide/changed-files.ts'
import type { Binding, DeviceFileState } from '../../core/decide/device-work.ts'
import type { BootedCopies, NextEntryLook } from '../../core/decide/protection-state.ts'
import type { Flavour } from '../../core/launch/boot-entry.ts'
import type { Updates } from '../../core/mark/updates.ts'
import { parseEvr } from '../../core/package/evr.ts'
import type { InstalledPackage } from '../../core/package/rpm.ts'
import type { MalformedLine } from '../../core/package/signers.ts'
import type { ForwardValuesOf } from '../../core/seal/forward-of-session.ts'
import type { Host, Seen } from '../../host/host.ts'
import { valueOrNull } from '../../host/host.ts'
import { bootFileRole, listBootFiles, rpmDigest, xenImageName } from '../device/boot-files.ts'
import { type AemDevice, openDevice } from '../device/devices.ts'
import { type HashBudget, makeHashBudget } from '../device/hash-budget.ts'
import { observeNextEntry } from '../device/next-entry.ts'
import { isMeasured, listBadPcrs, type TpmFacts } from '../launch/pcrs.ts'
import { exists } from '../read-text.ts'
import { observeBinding } from '../seal/binding.ts'
import { haveSameFiles, isSealed, observeSealedCopy, type SealedCopy } from '../seal/sealed-copy.ts'
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

export type DeviceStatus = AemDevice & {
  readonly bootFiles: DeviceFileState | null
  /** Of a stale device, the boot files that are not those of the installed packages. */
  readonly otherFiles: readonly ComparedFile[]
  readonly sealed: boolean | null
  /** What the sealed files are bound to. */
  readonly binding: Binding
  /** SHA-256 of dom0's sealed token, which every seal renews. */
  readonly tokenSha256: string | null
  /** What each copy of the sealed files is bound to, and whether they are the same files. */
  readonly copies: DeviceCopies
  /** The entry that GRUB boots next from it; null: not looked at. */
  readonly nextEntry: NextEntryLook | null
}

export type DeviceCopies = Pick<BootedCopies, 'device' | 'dom0' | 'areSame'>

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
    pendingRestart: decidePendingRestart(machine, installedXen),
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

/** What every device should carry, to compare its own files with. */
export type ExpectedBootFiles = {
  /** `fromRpm`: SHA-256 in the RPM database, the only thing dom0's own /boot can be compared with. */
  readonly xen: {
    readonly name: string
    readonly sha256: string | null
    readonly fromRpm: string | null
  } | null
  readonly kernels: readonly string[]
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

async function observeDeviceFiles(
  dom0: Dom0,
  device: AemDevice,
  expected: ExpectedBootFiles,
  bind: (copy: SealedCopy | null) => Promise<Binding>,
): Promise<Omit<DeviceStatus, keyof AemDevice>> {
  const { host } = dom0
  const closed = { bootFiles: null, otherFiles: [], nextEntry: null } as const
  if (device.isForeign)
    return { ...closed, sealed: null, binding: null, tokenSha256: null, copies: UNSEEN_COPIES }
  const tpmId = await dom0.tpmId()
  const dom0Copy = tpmId === null ? null : await observeSealedCopy(host, '/var/lib', tpmId, device.label)
  const inDom0 = { sealed: isSealed(dom0Copy), binding: await bind(dom0Copy) }
  const tokenSha256 = dom0Copy?.files.find(({ name }) => name === 'secret.fre.sealed2')?.sha256 ?? null
  const media = await openDevice(host, device)
  if (media.state !== 'seen')
    return { ...closed, ...inDom0, tokenSha256, copies: { device: null, dom0: inDom0, areSame: null } }
  try {
    const { root } = media.value
    const copy = tpmId === null ? null : await observeSealedCopy(host, `${root}/aem`, tpmId, device.label)
    const own = copy === null ? null : { sealed: isSealed(copy), binding: await bind(copy) }
    const bootFiles = await decideBootFiles(dom0, root, expected)
    return {
      bootFiles,
      otherFiles: bootFiles === 'stale' ? await listOtherFiles(dom0, root, expected) : [],
      sealed: own?.sealed ?? inDom0.sealed,
      binding: own === null ? inDom0.binding : own.binding,
      tokenSha256,
      copies: { device: own, dom0: inDom0, areSame: haveSameFiles(copy, dom0Copy) },
      nextEntry: await observeNextEntry(host, root, device.uuid),
    }
  } finally {
    await media.value.close()
  }
}

const UNSEEN_COPIES: DeviceCopies = { device: null, dom0: { sealed: null, binding: null }, areSame: null }

async function decideBootFiles(
  dom0: Dom0,
  root: string,
  expected: ExpectedBootFiles,
): Promise<DeviceStatus['bootFiles']> {
  const names = await listBootFiles(dom0.host, root)
  if (names === null) return null
  if (!names.some((name) => bootFileRole(name) === 'xen')) return 'absent'
  const { xen, kernels } = expected
  const wanted = root === '/boot' ? xen?.fromRpm : xen?.sha256
  if (!xen || !wanted) return null
  if (!names.includes(xen.name) || kernels.some((kernel) => !names.includes(kernel))) return 'stale'
  const budget = makeHashBudget(dom0)
  const digests = await budget.digest(`${root}/${xen.name}`)
  if (digests === null) return null
  if (digests.sha256 !== wanted) return 'stale'
  return decideKernels(root, kernels, budget)
}

/** Xen and the kernels; an initramfs belongs to no package, and what a boot measured of it is told by its registers. */
async function listOtherFiles(
  dom0: Dom0,
  root: string,
  { xen, kernels }: ExpectedBootFiles,
): Promise<readonly ComparedFile[]> {
  const budget = makeHashBudget(dom0)
  const digestOf = async (path: string): Promise<string | null> => (await budget.digest(path))?.sha256 ?? null
  const files: ComparedFile[] = []
  if (xen !== null) {
    const expected = root === '/boot' ? xen.fromRpm : xen.sha256
    files.push({ path: `/${xen.name}`, sha256: await digestOf(`${root}/${xen.name}`), expected })
  }
  for (const kernel of root === '/boot' ? [] : kernels) {
    const [sha256, expected] = [await digestOf(`${root}/${kernel}`), await digestOf(`/boot/${kernel}`)]
    files.push({ path: `/${kernel}`, sha256, expected })
  }
  return files
}

async function decideKernels(
  root: string,
  kernels: readonly string[],
  budget: HashBudget,
): Promise<'current' | 'stale' | null> {
  if (root === '/boot') return 'current'
  for (const kernel of kernels) {
    const [here, there] = [await budget.digest(`/boot/${kernel}`), await budget.digest(`${root}/${kernel}`)]
    if (here === null || there === null) return null
    if (here.sha256 !== there.sha256) return 'stale'
  }
  return 'current'
}

/** Is another Xen installed than the one that runs? By build id; else by install time against boot time. */
export function decidePendingRestart(machine: MachineFacts, installed: InstalledXen): boolean | null {
  if (machine.xen.buildId !== null && installed.buildId !== null) {
    return machine.xen.buildId !== installed.buildId
  }
  const version = installed.evr === null ? null : parseEvr(installed.evr).version
  if (machine.xen.version !== null && version !== null && machine.xen.version !== version) return true
  if (machine.bootTime === null || installed.installedAt === null) return null
  return installed.installedAt > machine.bootTime
}
