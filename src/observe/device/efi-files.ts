import { type CheckedFile, decideImage } from '../../core/decide/boot-device.ts'
import { Failure } from '../../core/failure.ts'
import type { BootFile } from '../../core/launch/boot-entry.ts'
import { originalPath, roleName } from '../../core/launch/efi-entry.ts'
import { kernelReleaseOf } from '../../core/vouch/roles.ts'
import type { FileDigests } from '../../host/host.ts'
import { type Seen, valueOrNull } from '../../host/host.ts'
import type { Dom0 } from '../dom0/dom0.ts'
import { observeNewest } from '../dom0/packages.ts'
import type { DeviceBootFile } from './boot-files.ts'
import { rpmDigest } from './boot-files.ts'
import type { AemDevice } from './devices.ts'
import { observeAemEntries } from './efi-entry.ts'
import { listWanted } from './wanted-files.ts'

/*
 * In the UEFI form of AEM's entries the files that boot next are those on the EFI system partition: Xen's EFI program, which its
 * package puts there, and the copies of kernel and initramfs that AEM's script makes of the files in /boot.
 */

/** Most that entries of a generated file load: some kernels, each with Xen and initramfs. */
const MAX_FILES = 64

type EfiFiles = {
  readonly files: readonly BootFile[]
  /** The first one that is not looked at; null: all are. */
  readonly leftOut: BootFile | null
}

async function listEfiFiles(dom0: Dom0, root: string, device: AemDevice): Promise<EfiFiles> {
  const { host } = dom0
  const config = await dom0.grub(root, device.uuid)
  if (config === null || config instanceof Failure) return { files: [], leftOut: null }
  const entries = await observeAemEntries(host, root, config)
  const files = entries
    .filter(({ form }) => form === 'uefi')
    .flatMap(({ launcher, modules }) => (launcher === null ? modules : [launcher, ...modules]))
  const all = [...new Map(files.map((file) => [file.path, file])).values()]
  return { files: all.slice(0, MAX_FILES), leftOut: all[MAX_FILES] ?? null }
}

/** Digests of what AEM's entries load from the EFI system partition; one that cannot be read is there all the same. */
export async function digestEfiFiles(
  dom0: Dom0,
  root: string,
  device: AemDevice,
): Promise<readonly DeviceBootFile[]> {
  const { host } = dom0
  const files: DeviceBootFile[] = []
  for (const { path, role } of (await listEfiFiles(dom0, root, device)).files) {
    const seen = await host.digestFile(`${root}${path}`)
    // A recorded machine need not hold the EFI system partition.
    if (seen.state === 'absent' || (seen.state === 'unknown' && host.kind === 'recorded')) continue
    if (role === 'xen' || role === 'kernel' || role === 'initramfs')
      files.push({ path: `${root}${path}`, role, digests: valueOrNull(seen) })
  }
  return files
}

/**
 * Xen's EFI program and the copies of the installed kernels, compared with their packages, and the copies of their initramfs
 * against those in /boot.
 */
export async function checkEfiFiles(
  dom0: Dom0,
  root: string,
  device: AemDevice,
): Promise<readonly CheckedFile[]> {
  const { host } = dom0
  const wanted = await listWanted(dom0)
  const checks: CheckedFile[] = []
  const { files, leftOut } = await listEfiFiles(dom0, root, device)
  for (const { path, role } of files) {
    const release = kernelReleaseOf(path)
    const name = release === null ? roleName(path).slice(1) : `vmlinuz-${release}`
    const original = wanted.find((one) => one.name === name)
    if (original === undefined) continue
    const seen = await host.digestFile(`${root}${path}`)
    const found = valueOrNull(seen)
    const base = { path: `${root}${path}`, sha256: found?.sha256 ?? null }
    if (role === 'initramfs') {
      const own = valueOrNull(await host.digestFile(`${root}${originalPath(path)}`))?.sha256 ?? null
      const state = compareCopy(seen, own)
      checks.push({ role, ...base, state, expected: own, against: `${root}${originalPath(path)}` })
    } else if (role === 'xen' || role === 'kernel') {
      const expected = role === 'xen' ? await xenDigest(dom0, path) : original.sha256
      const exists = seen.state === 'unknown' ? null : seen.state === 'seen'
      const state = decideImage({ exists, sha256: base.sha256, buildId: null }, expected, null)
      checks.push({ role, ...base, state, expected, against: 'RPM database' })
    }
  }
  // A recorded machine need not hold the EFI system partition; what it holds counts.
  const looked = host.kind === 'recorded' ? checks.filter(({ state }) => state !== 'unknown') : checks
  return leftOut === null ? looked : [...looked, describeUnlooked(root, leftOut)]
}

function describeUnlooked(root: string, { path }: BootFile): CheckedFile {
  const against = `more than ${MAX_FILES} files are named by the entries: this one and the rest were not looked at`
  return { role: 'kernel', path: `${root}${path}`, state: 'unknown', sha256: null, expected: null, against }
}

async function xenDigest(dom0: Dom0, path: string): Promise<string | null> {
  const xen = await observeNewest(dom0, 'xen-hypervisor')
  return xen && rpmDigest(valueOrNull(await dom0.rpm.files('xen-hypervisor')), xen.evr, `/boot${path}`)
}

/** An initramfs that was made since AEM's script copied it is not what boots. */
function compareCopy(seen: Seen<FileDigests>, own: string | null): CheckedFile['state'] {
  if (seen.state === 'absent') return 'absent'
  if (seen.state === 'unknown' || own === null) return 'unknown'
  return seen.value.sha256 === own ? 'current' : 'stale'
}
