import { parseKernelParameters } from '../core/aem/configuration.ts'
import type { CheckedFile } from '../core/decide/boot-device.ts'
import { decideImage } from '../core/decide/boot-device.ts'
import { Failure } from '../core/failure.ts'
import type { BootEntry, BootFile } from '../core/launch/boot-entry.ts'
import { listAemEntries } from '../core/launch/grub-cfg.ts'
import { parseXenSection } from '../core/launch/xen-cfg.ts'
import type { PackageFile } from '../core/package/rpm.ts'
import type { FileDigests, Host } from '../host/host.ts'
import { valueOrNull } from '../host/host.ts'
import { bootFileRole, listBootFiles, rpmDigest, xenImageName } from './boot-files.ts'
import { type AemDevice, openDevice } from './devices.ts'
import { observeGrub } from './grub.ts'
import { describeLeftOut, type HashBudget, makeHashBudget } from './hash-budget.ts'
import { observeNewest, observePackageFiles } from './packages.ts'
import { exists, readTextOrNull } from './read.ts'

export type DeviceBootFile = {
  readonly path: string
  readonly role: 'tboot' | 'xen' | 'kernel' | 'initramfs' | 'sinit' | 'grub.cfg'
  readonly digests: FileDigests | null
}

export type BootDeviceFacts = {
  readonly device: AemDevice | null
  readonly isOpen: boolean
  readonly checks: readonly CheckedFile[]
  /** Digests of all boot files on the device, for the baseline. */
  readonly files: readonly DeviceBootFile[]
}

/** Packages whose update must be followed by a new initramfs: those of microcode and linux-firmware call dracut for all kernels. */
const INITRAMFS_INPUTS = [
  'dracut',
  'microcode_ctl',
  'amd-ucode-firmware',
  'linux-firmware',
  'anti-evil-maid',
] as const

/** The boot files of a device, each held against the RPM database. */
export async function observeBootDevice(
  host: Host,
  device: AemDevice | null,
  runningBuildId: string | null,
): Promise<BootDeviceFacts> {
  const closed = { device, isOpen: false, checks: [], files: [] }
  if (device === null) return closed
  const media = await openDevice(host, device)
  if (media.state !== 'seen') return closed
  try {
    const { root } = media.value
    const budget = makeHashBudget(host)
    const files = await digestBootFiles(host, root, budget)
    const checks = [
      ...checkLeftOut(root, budget),
      ...(await checkPackaged(host, root, files, runningBuildId)),
      ...(await checkInitramfs(host, root, files)),
      await checkGrub(host, root, device),
    ]
    return { device, isOpen: true, checks, files: [...files, ...(await digestGrub(host, root))] }
  } finally {
    await media.value.close()
  }
}

/** Those of the installed packages come first: a device that carries too much must not hide what is wrong with them. */
async function digestBootFiles(
  host: Host,
  root: string,
  budget: HashBudget,
): Promise<readonly DeviceBootFile[]> {
  const files: DeviceBootFile[] = []
  const wanted = await listWanted(host)
  const isWanted = (name: string): boolean =>
    wanted.some((one) => one.name === name || initramfsOf(one.name) === name)
  const names = (await listBootFiles(host, root)) ?? []
  const ordered = [...names.filter(isWanted), ...names.filter((name) => !isWanted(name))]
  for (const name of ordered) {
    const role = bootFileRole(name)
    if (role === null) continue
    files.push({ path: `${root}/${name}`, role, digests: await budget.digest(`${root}/${name}`) })
  }
  return files
}

/** A device that carries more than is hashed was not looked at as a whole, so it is not current. */
function checkLeftOut(root: string, budget: HashBudget): readonly CheckedFile[] {
  const against = describeLeftOut(budget)
  const [path] = budget.leftOut
  if (against === null || path === undefined) return []
  const role = bootFileRole(path.slice(root.length + 1))
  const known = role === null || role === 'sinit' ? 'xen' : role
  return [{ role: known, path, state: 'unknown', sha256: null, expected: null, against }]
}

function initramfsOf(kernel: string): string {
  return `initramfs-${kernel.slice('vmlinuz-'.length)}.img`
}

const GRUB_PATHS = ['grub2/grub.cfg', 'grub/grub.cfg'] as const

async function digestGrub(host: Host, root: string): Promise<readonly DeviceBootFile[]> {
  for (const path of GRUB_PATHS) {
    const digests = valueOrNull(await host.digestFile(`${root}/${path}`))
    if (digests) return [{ path: `${root}/${path}`, role: 'grub.cfg', digests }]
  }
  return []
}

/** Xen, the kernels that dom0 boots, and tboot: RPM knows their digests. */
async function checkPackaged(
  host: Host,
  root: string,
  files: readonly DeviceBootFile[],
  runningBuildId: string | null,
): Promise<readonly CheckedFile[]> {
  const wanted = await listWanted(host)
  return wanted.map(({ name, role, sha256, isUnknown }): CheckedFile => {
    const path = `${root}/${name}`
    const there = files.find((file) => file.path === path)
    const image = {
      exists: there !== undefined,
      sha256: there?.digests?.sha256 ?? null,
      buildId: there?.digests?.buildId ?? null,
    }
    const state = isUnknown ? 'unknown' : decideImage(image, sha256, runningBuildId)
    return { role, path, state, sha256: image.sha256, expected: sha256, against: 'RPM database' }
  })
}

type Wanted = {
  readonly name: string
  readonly role: 'tboot' | 'xen' | 'kernel'
  readonly sha256: string | null
  readonly isUnknown?: true
}

async function listWanted(host: Host): Promise<readonly Wanted[]> {
  const wanted: Wanted[] = []
  const xen = await observeNewest(host, 'xen-hypervisor')
  if (xen) {
    const name = xenImageName(xen.evr)
    const files = await observePackageFiles(host, 'xen-hypervisor')
    wanted.push({ name, role: 'xen', sha256: rpmDigest(files, xen.evr, `/boot/${name}`) })
  }
  for (const kernelPackage of ['kernel', 'kernel-latest']) {
    const newest = await observeNewest(host, kernelPackage)
    if (!newest) continue
    const files = await observePackageFiles(host, kernelPackage)
    wanted.push(...listPackaged(files, newest.evr, 'kernel', kernelPackage))
  }
  const tboot = await observeNewest(host, 'tboot')
  if (tboot) {
    const files = await observePackageFiles(host, 'tboot')
    wanted.push(...listPackaged(files, tboot.evr, 'tboot', 'tboot'))
  }
  return wanted
}

function listPackaged(
  files: readonly PackageFile[] | null,
  evr: string,
  role: 'kernel' | 'tboot',
  packageName: string,
): readonly Wanted[] {
  const listed = (files ?? [])
    .filter((file) => file.evr === evr && file.path.startsWith('/boot/'))
    .map((file) => ({ name: file.path.slice('/boot/'.length), role, sha256: file.sha256 }))
    .filter((file) => bootFileRole(file.name) === role)
  // A package whose boot file cannot be told is not a package without one.
  return listed.length > 0
    ? listed
    : [{ name: `(boot file of ${packageName})`, role, sha256: null, isUnknown: true }]
}

/** RPM keeps no digest of an initramfs: it must be there, and not older than the packages it is made from. */
async function checkInitramfs(
  host: Host,
  root: string,
  files: readonly DeviceBootFile[],
): Promise<readonly CheckedFile[]> {
  const kernels = (await listWanted(host)).filter((file) => file.role === 'kernel' && !file.isUnknown)
  const installs = (await Promise.all(INITRAMFS_INPUTS.map((name) => observeNewest(host, name)))).flatMap(
    (item) => (item ? [{ name: item.name, at: Date.parse(item.installedAt) }] : []),
  )
  const checks: CheckedFile[] = []
  for (const kernel of kernels) {
    const path = `${root}/${initramfsOf(kernel.name)}`
    const file = files.find((other) => other.path === path)
    const stat = valueOrNull(await host.statFile(path))
    const sha256 = file?.digests?.sha256 ?? null
    const isTimed = stat !== null && Number.isFinite(stat.mtimeMs)
    const newer = installs.filter((item) => isTimed && item.at > stat.mtimeMs)
    const isKnown = sha256 !== null && isTimed && installs.length > 0
    const state = !file ? 'absent' : newer.length > 0 ? 'stale' : isKnown ? 'current' : 'unknown'
    const against = newer.length > 0 ? `older than ${newer.map((item) => item.name).join(', ')}` : 'its date'
    checks.push({ role: 'initramfs', path, state, sha256, expected: null, against })
  }
  return checks
}

/**
 * grub.cfg must have AEM entries of this device that load the installed Xen with each of the newest kernels, as GRUB would
 * read it.
 * @param beside a file that is to become grub.cfg
 */
export async function checkGrub(
  host: Host,
  root: string,
  device: AemDevice,
  beside: string | null = null,
): Promise<CheckedFile> {
  const xen = await observeNewest(host, 'xen-hypervisor')
  const config = await observeGrub(host, root, beside, device.uuid)
  const path = beside ?? `${root}/grub2/grub.cfg`
  const base = { role: 'grub.cfg', path, sha256: null, expected: null } as const
  if (config === null) {
    return {
      ...base,
      state: (await exists(host, path)) === false ? 'absent' : 'unknown',
      against: 'AEM entry',
    }
  }
  if (config instanceof Failure || xen === null)
    return { ...base, state: 'unknown', against: 'installed Xen' }
  const name = xenImageName(xen.evr)
  const kernels = (await listWanted(host)).filter((file) => file.role === 'kernel' && !file.isUnknown)
  const entries = await Promise.all(listAemEntries(config).map((entry) => readUefiModules(host, root, entry)))
  const isLoading = (entry: BootEntry, file: string): boolean =>
    [entry.launcher, ...entry.modules].some((one) => one?.path === `/${file}`)
  const good = entries.filter(
    (entry) =>
      entry.problems.length === 0 &&
      isLoading(entry, name) &&
      entry.modules.some((file) => namesOnly(file.commandLine, device.uuid)),
  )
  const without = kernels.find((kernel) => !good.some((entry) => isLoading(entry, kernel.name)))
  if (good.length > 0 && without === undefined)
    return { ...base, state: 'current', against: `an AEM entry with ${name}` }
  const problem = entries.find((entry) => entry.problems.length > 0)?.problems[0]
  if (problem !== undefined) return { ...base, state: 'unknown', against: problem }
  const lacking = good.length > 0 && without !== undefined ? `${name} and ${without.name}` : name
  return { ...base, state: 'stale', against: `an AEM entry with ${lacking}` }
}

/**
 * The UEFI form of an entry with what Xen's configuration on the EFI system partition names, under the names that the files
 * have in /boot: AEM's script copies them there with `aem-` before (TrenchBoot/qubes-antievilmaid 18a0a74,
 * etc/grub.d/19_linux_xen_trenchboot). One whose configuration cannot be read names nothing.
 */
async function readUefiModules(host: Host, root: string, entry: BootEntry): Promise<BootEntry> {
  if (entry.form !== 'uefi' || entry.efi === null) return entry
  const { xenPath, configPath, section } = entry.efi
  const text = await readTextOrNull(host, `${root}/efi${configPath}`)
  const found = text === null ? null : parseXenSection(text, section)
  if (found === null || found.kernel === null) {
    const problem = `${configPath} on the EFI system partition ${text === null ? 'could not be read' : `has no section ${section} with a kernel`}`
    return { ...entry, problems: [...entry.problems, problem] }
  }
  const nameOf = (path: string): string => `/${path.slice(path.lastIndexOf('/') + 1)}`
  const module = (role: 'xen' | 'kernel', path: string, commandLine: string, order: number): BootFile => ({
    role,
    path,
    commandLine,
    nounzip: false,
    order,
  })
  const [kernel = '', ...options] = found.kernel.split(' ')
  return {
    ...entry,
    launcher: module('xen', nameOf(xenPath).replace(/\.efi$/, '.gz'), found.options ?? '', 0),
    modules: [module('kernel', nameOf(kernel).replace(/^\/aem-/, '/'), options.join(' '), 1)],
  }
}

/** The command line names this device and no other one. */
function namesOnly(commandLine: string, uuid: string | null): boolean {
  const named = new Set(parseKernelParameters(commandLine, 'aem.uuid'))
  return uuid !== null && named.size === 1 && named.has(uuid)
}
