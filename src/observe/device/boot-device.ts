import type { CheckedFile } from '../../core/decide/boot-device.ts'
import { decideImage } from '../../core/decide/boot-device.ts'
import { isSinceBoot } from '../../core/decide/since-boot.ts'
import type { Host } from '../../host/host.ts'
import { valueOrNull } from '../../host/host.ts'
import type { Dom0 } from '../dom0/dom0.ts'
import { observeNewest } from '../dom0/packages.ts'
import type { DeviceBootFile } from './boot-files.ts'
import { bootFileRole, listBootFiles } from './boot-files.ts'
import { checkGrub } from './check-grub.ts'
import { type AemDevice, openDevice } from './devices.ts'
import { checkEfiFiles, digestEfiFiles } from './efi-files.ts'
import { describeLeftOut, type HashBudget, makeHashBudget } from './hash-budget.ts'
import { listWanted } from './wanted-files.ts'

export type BootDeviceFacts = {
  readonly device: AemDevice | null
  readonly isOpen: boolean
  readonly checks: readonly CheckedFile[]
  /** Digests of all boot files on the device, for the baseline. */
  readonly files: readonly DeviceBootFile[]
  /** What grub.cfg reads beside itself and GRUB does not write: SHA-256, null where it could not be read. */
  readonly grubFiles: readonly { readonly path: string; readonly sha256: string | null }[]
}

/** Packages whose update must be followed by a new initramfs: those of microcode and linux-firmware call dracut for all kernels. */
const INITRAMFS_INPUTS = [
  'dracut',
  'microcode_ctl',
  'amd-ucode-firmware',
  'linux-firmware',
  'anti-evil-maid',
] as const

/** The boot files of a device, each compared with the RPM database. */
export async function observeBootDevice(
  dom0: Dom0,
  device: AemDevice | null,
  runningBuildId: string | null,
): Promise<BootDeviceFacts> {
  const { host } = dom0
  const closed = { device, isOpen: false, checks: [], files: [], grubFiles: [] }
  if (device === null) return closed
  const media = await openDevice(host, device)
  if (media.state !== 'seen') return closed
  try {
    const { root } = media.value
    const budget = makeHashBudget(dom0)
    const files = await digestBootFiles(dom0, root, budget)
    const checks = [
      ...checkLeftOut(root, budget),
      ...(await checkPackaged(dom0, root, files, runningBuildId)),
      ...(await checkInitramfs(dom0, root, files)),
      ...(await checkEfiFiles(dom0, root, device)),
      await checkGrub(dom0, root, device),
    ]
    const grub = await digestGrub(host, root)
    const others = [...(await digestEfiFiles(dom0, root, device)), ...grub]
    const grubFiles = await digestBeside(host, grub[0]?.path ?? null)
    return { device, isOpen: true, checks, files: [...files, ...others], grubFiles }
  } finally {
    await media.value.close()
  }
}

/** Those of the installed packages come first: a device that carries too much must not hide what is wrong with them. */
async function digestBootFiles(
  dom0: Dom0,
  root: string,
  budget: HashBudget,
): Promise<readonly DeviceBootFile[]> {
  const { host } = dom0
  const files: DeviceBootFile[] = []
  const wanted = await listWanted(dom0)
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

/** Qubes's 01_users and 41_custom read them; grubenv is GRUB's own to write, and changes with each boot. */
const BESIDE_GRUB = ['custom.cfg', 'user.cfg'] as const

/** @param grub where grub.cfg lies; null: there is none */
async function digestBeside(host: Host, grub: string | null): Promise<BootDeviceFacts['grubFiles']> {
  const files: BootDeviceFacts['grubFiles'][number][] = []
  for (const name of grub === null ? [] : BESIDE_GRUB) {
    const path = `${grub?.slice(0, grub.lastIndexOf('/'))}/${name}`
    const seen = await host.digestFile(path)
    // A recorded machine need not hold them.
    const isLeftOut = seen.state === 'absent' || (seen.state === 'unknown' && host.kind === 'recorded')
    if (!isLeftOut) files.push({ path, sha256: valueOrNull(seen)?.sha256 ?? null })
  }
  return files
}

/** Xen, the kernels that dom0 boots, and tboot: RPM knows their digests. */
async function checkPackaged(
  dom0: Dom0,
  root: string,
  files: readonly DeviceBootFile[],
  runningBuildId: string | null,
): Promise<readonly CheckedFile[]> {
  const wanted = await listWanted(dom0)
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

/** RPM keeps no digest of an initramfs: it must be there, and not older than the packages it is made from. */
async function checkInitramfs(
  dom0: Dom0,
  root: string,
  files: readonly DeviceBootFile[],
): Promise<readonly CheckedFile[]> {
  const { host } = dom0
  const kernels = (await listWanted(dom0)).filter((file) => file.role === 'kernel' && !file.isUnknown)
  const installs = (await Promise.all(INITRAMFS_INPUTS.map((name) => observeNewest(dom0, name)))).flatMap(
    (item) => (item ? [{ name: item.name, at: Date.parse(item.installedAt) }] : []),
  )
  const checks: CheckedFile[] = []
  for (const kernel of kernels) {
    const path = `${root}/${initramfsOf(kernel.name)}`
    const file = files.find((other) => other.path === path)
    const stat = valueOrNull(await host.statFile(path))
    const sha256 = file?.digests?.sha256 ?? null
    const isTimed = stat !== null && Number.isFinite(stat.mtimeMs)
    // Where a clock that was set back cannot tell, its bytes must show that the image is the right one.
    const newer = installs.filter((item) => isTimed && isSinceBoot(item.at, stat.mtimeMs, host.now) === true)
    const isKnown = sha256 !== null && isTimed && installs.length > 0
    const state = !file ? 'absent' : newer.length > 0 ? 'stale' : isKnown ? 'current' : 'unknown'
    const against = newer.length > 0 ? `older than ${newer.map((item) => item.name).join(', ')}` : 'its date'
    checks.push({ role: 'initramfs', path, state, sha256, expected: null, against })
  }
  return checks
}
