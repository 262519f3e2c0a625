/* Long: one look: what a refresh of a device would copy, make and need, from the same lists of files. */

import { type ChangedFile, listChangedFiles } from '../../core/decide/changed-files.ts'
import { checkKnownDevice } from '../../core/decide/known-device.ts'
import { checkDevice, type GateCheck, parseMountOptions } from '../../core/decide/readiness.ts'
import {
  checkRefreshSpace,
  checkSources,
  planRefresh,
  type RefreshFile,
  type RefreshInitramfs,
  type RefreshPlan,
} from '../../core/decide/refresh.ts'
import type { InstalledPackage } from '../../core/package/rpm.ts'
import { describeSignatureFault } from '../../core/package/signers.ts'
import { findLedgerDevice, type LedgerLook } from '../../core/session/device-ledger.ts'
import type { Host } from '../../host/host.ts'
import { valueOrNull } from '../../host/host.ts'
import type { Dom0 } from '../dom0/dom0.ts'
import { observeIntegrity, observeTrustedKeys } from '../dom0/packages.ts'
import { readTextOrNull } from '../read-text.ts'
import { checkAemIdle } from '../seal/seal-readiness.ts'
import { type BootDeviceFacts, observeBootDevice } from './boot-device.ts'
import { type AemDevice, findBootedDevice, openDevice } from './devices.ts'
import { observeChangedLines } from './entry-lines.ts'
import { makeHashBudget } from './hash-budget.ts'

/** Packages whose files GRUB loads from an AEM device, or its scripts look at (config-*: etc/grub.d, AEM 4.2.0). */
const SOURCE_PACKAGES = ['tboot', 'xen-hypervisor', 'kernel', 'kernel-latest'] as const
/** Where neither the device nor dom0 has an initramfs to go by; those of Qubes have 30 to 60 MB. */
const INITRAMFS_BYTES = 128 * 1024 * 1024

export type ObservedRefresh = {
  readonly device: AemDevice
  readonly isBooted: boolean
  /** The device as it is, file by file. */
  readonly before: BootDeviceFacts
  /** Files of it that are neither the installed package's nor of an approved boot. */
  readonly changedFiles: readonly ChangedFile[]
  readonly checks: readonly GateCheck[]
  readonly plan: RefreshPlan
  /** Words of its entry that this boot did not use: its grub.cfg is made again by dom0's own configuration. */
  readonly changedLines: readonly string[]
}

/** What a device lacks, and whether it can be brought up to date now. */
export async function observeRefresh(
  dom0: Dom0,
  device: AemDevice,
  ledger: LedgerLook,
): Promise<ObservedRefresh> {
  const { host } = dom0
  const machine = await dom0.machine()
  const { devices } = await dom0.devices()
  const booted = findBootedDevice(devices, machine.aemUuid)
  const isBooted = booted?.uuid === device.uuid
  const before = await observeBootDevice(dom0, device, machine.xen.buildId)
  const { files, initramfs, freeBytes, isGrubDirectory } = await observeFiles(dom0, device, before, ledger)
  const grub = before.checks.find(({ role }) => role === 'grub.cfg')
  const changedLines = await observeChangedLines(dom0, device, booted, machine)
  const plan = planRefresh({
    files,
    initramfs,
    isGrubCurrent: grub?.state === 'current' && changedLines.length === 0,
    isBooted,
  })
  const sameLabel = devices.filter((one) => one.label === device.label)
  const mounts = await readTextOrNull(host, '/proc/mounts')
  const options =
    mounts === null || device.mountPoint === null ? null : parseMountOptions(mounts, device.mountPoint)
  return {
    device,
    isBooted,
    before,
    changedFiles: listChangedFiles(before.checks, ledger, device.label),
    plan,
    changedLines,
    checks: [
      checkKnownDevice(ledger, device.label, device),
      ...checkDevice(device, sameLabel, options?.includes('ro') ?? null),
      {
        id: 'device-open',
        ok: before.isOpen,
        detail: before.isOpen ? 'its files can be read' : 'its file system could not be opened',
      },
      {
        id: 'grub-directory',
        ok: isGrubDirectory,
        detail:
          isGrubDirectory === null
            ? 'grub2 on it could not be looked at'
            : isGrubDirectory
              ? 'grub2 is there'
              : 'grub2 on it is no directory: make the device from scratch, nothing is written through a link',
      },
      ...checkSources(files, await listUnverified(dom0)),
      checkRefreshSpace(device.label, freeBytes, plan.neededBytes),
      await checkAemIdle(dom0),
    ],
  }
}

async function observeFiles(
  dom0: Dom0,
  device: AemDevice,
  before: BootDeviceFacts,
  ledger: LedgerLook,
): Promise<{
  files: readonly RefreshFile[]
  initramfs: readonly RefreshInitramfs[]
  freeBytes: number | null
  /** grub2 is a directory; a link on a stick could lead a write anywhere. */
  isGrubDirectory: boolean | null
}> {
  const { host } = dom0
  const media = valueOrNull(await openDevice(host, device))
  if (media === null) return { files: [], initramfs: [], freeBytes: null, isGrubDirectory: null }
  try {
    const files: RefreshFile[] = []
    const budget = makeHashBudget(dom0)
    for (const source of await listSources(dom0)) {
      const path = `/boot/${source.name}`
      files.push({
        ...source,
        inDom0: valueOrNull(await host.digestFile(path))?.sha256 ?? null,
        onDevice: (await budget.digest(`${media.root}/${source.name}`))?.sha256 ?? null,
        sizeBytes: valueOrNull(await host.statFile(path))?.sizeBytes ?? 0,
      })
    }
    const known =
      ledger.state === 'read'
        ? new Map(
            findLedgerDevice(ledger.ledger, device.label).knownFiles.map((one) => [one.name, one.sha256]),
          )
        : new Map<string, string>()
    const initramfs: RefreshInitramfs[] = []
    for (const { name } of files.filter(({ role }) => role === 'kernel')) {
      const kernel = name.slice('vmlinuz-'.length)
      initramfs.push(await observeInitramfs(host, media.root, kernel, before, known))
    }
    const grub = valueOrNull(await host.statFile(`${media.root}/grub2`))
    const free = valueOrNull(await host.freeBytes(media.root))
    const names = [...files.map(({ name }) => name), ...initramfs.map(({ kernel }) => initramfsName(kernel))]
    return {
      files,
      initramfs,
      freeBytes: free === null ? null : free + (await observeCutShort(host, media.root, names)),
      isGrubDirectory: grub === null ? null : grub.kind === 'directory',
    }
  } finally {
    await media.close()
  }
}

function initramfsName(kernel: string): string {
  return `initramfs-${kernel}.img`
}

/** Bytes of copies that were cut short (a stick pulled out, a power cut): the next copy of the same file replaces them (host/real.ts). */
async function observeCutShort(host: Host, root: string, names: readonly string[]): Promise<number> {
  let sizeBytes = 0
  for (const name of names)
    sizeBytes += valueOrNull(await host.statFile(`${root}/.${name}.new`))?.sizeBytes ?? 0
  return sizeBytes
}

async function observeInitramfs(
  host: Host,
  root: string,
  kernel: string,
  before: BootDeviceFacts,
  known: ReadonlyMap<string, string>,
): Promise<RefreshInitramfs> {
  const name = initramfsName(kernel)
  const path = `${root}/${name}`
  const [own, inDom0] = [await host.statFile(path), await host.statFile(`/boot/${name}`)]
  const checked = before.checks.find((check) => check.role === 'initramfs' && check.path === path)
  const digest = valueOrNull(await host.digestFile(path))?.sha256 ?? null
  // An older kernel's is not compared with the dates of packages: it stays as it was made.
  const there = own.state === 'seen' ? 'current' : own.state
  return {
    kernel,
    state: checked === undefined ? there : checked.state === 'changed' ? 'unknown' : checked.state,
    isKnown: known.get(name) === digest,
    sizeBytes: Math.max(valueOrNull(own)?.sizeBytes ?? 0, valueOrNull(inDom0)?.sizeBytes ?? INITRAMFS_BYTES),
  }
}

type Source = Pick<RefreshFile, 'name' | 'role' | 'packageName' | 'sha256'>

/** The boot files of all installed versions of the packages, with the digests of the RPM database. */
async function listSources(dom0: Dom0): Promise<readonly Source[]> {
  const sources: Source[] = []
  for (const packageName of SOURCE_PACKAGES) {
    for (const { path, sha256 } of valueOrNull(await dom0.rpm.files(packageName)) ?? []) {
      const name = path.startsWith('/boot/') ? path.slice('/boot/'.length) : ''
      const role = sourceRole(name)
      if (role !== null && sha256 !== null) sources.push({ name, role, packageName, sha256 })
    }
  }
  return sources
}

function sourceRole(name: string): RefreshFile['role'] | null {
  if (name === 'tboot.gz') return 'tboot'
  if (/^xen-[0-9][A-Za-z0-9+._-]*\.gz$/.test(name)) return 'xen'
  if (/^vmlinuz-[A-Za-z0-9+._-]+$/.test(name)) return 'kernel'
  return /^config-[A-Za-z0-9+._-]+$/.test(name) ? 'config' : null
}

/** Packages whose files would be copied, and that no known key vouches for, each with the reason. */
async function listUnverified(dom0: Dom0): Promise<readonly string[]> {
  const trusted = await observeTrustedKeys(dom0)
  const faults: string[] = []
  for (const name of SOURCE_PACKAGES) {
    for (const installed of valueOrNull(await dom0.rpm.packages(name)) ?? [])
      faults.push(...(await faultOf(dom0, installed, trusted)))
  }
  return faults
}

async function faultOf(
  dom0: Dom0,
  installed: InstalledPackage,
  trusted: Awaited<ReturnType<typeof observeTrustedKeys>>,
): Promise<readonly string[]> {
  const { signature, signer } = await observeIntegrity(dom0, installed, trusted)
  const keyId = installed.signatureKeyId
  const fault = describeSignatureFault({ signature, signer: signer?.name ?? null, keyId })
  return fault === null ? [] : [`${installed.name} ${installed.evr} ${fault}`]
}
