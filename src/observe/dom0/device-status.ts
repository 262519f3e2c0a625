import type { ComparedFile } from '../../core/decide/changed-files.ts'
import type { Binding, DeviceFileState } from '../../core/decide/device-work.ts'
import type { BootedCopies, NextEntryLook } from '../../core/decide/protection-state.ts'
import { bootFileRole, listBootFiles } from '../device/boot-files.ts'
import { type AemDevice, openDevice } from '../device/devices.ts'
import { type HashBudget, makeHashBudget } from '../device/hash-budget.ts'
import { observeNextEntry } from '../device/next-entry.ts'
import { haveSameFiles, isSealed, observeSealedCopy, type SealedCopy } from '../seal/sealed-copy.ts'
import type { Dom0 } from './dom0.ts'

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

export async function observeDeviceFiles(
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
      nextEntry: await observeNextEntry(dom0, root, device.uuid),
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
    const sha256 = await digestOf(`${root}/${xen.name}`)
    files.push({ path: `/${xen.name}`, sha256, expected, isInPlace: root === '/boot' })
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
