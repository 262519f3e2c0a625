import { EARLY_PREFIX, type RawDifference } from '../../core/initramfs/compare-images.ts'
import { guessOrigin, sortDifferences } from '../../core/initramfs/origin.ts'
import { type Difference, MAX_DIFFERENCES } from '../../core/initramfs/reproduction.ts'
import type { PackageFile } from '../../core/package/rpm.ts'
import { valueOrNull } from '../../host/host.ts'
import type { Dom0 } from '../dom0/dom0.ts'
import { observeOwningPackage } from '../dom0/package-owner.ts'

/**
 * Says of the first differences where their entries come from. An entry is packaged where its bytes are those that the RPM
 * database has for dom0's file of that path; a name alone says nothing.
 */
export async function observeOrigins(
  dom0: Dom0,
  differences: readonly RawDifference[],
): Promise<readonly Difference[]> {
  const files = new Map<string, readonly PackageFile[] | null>()
  const told: Difference[] = []
  for (const difference of sortDifferences(differences).slice(0, MAX_DIFFERENCES)) {
    const { path, change } = difference
    const owner = await observePackaged(dom0, difference, files)
    const origin = owner !== null ? 'packaged' : guessOrigin(difference)
    told.push({ path, change, origin, package: owner })
  }
  return [
    ...told.filter(({ origin }) => origin === 'unknown'),
    ...told.filter(({ origin }) => origin !== 'unknown'),
  ]
}

/** Name and EVR of the package whose very file the entry is, or null. */
async function observePackaged(
  dom0: Dom0,
  { path, checked, fresh }: RawDifference,
  files: Map<string, readonly PackageFile[] | null>,
): Promise<string | null> {
  const entry = fresh ?? checked
  const inDom0 = `/${path}`
  if (path.startsWith(EARLY_PREFIX) || entry?.kind !== 'file') return null
  const owner = await observeOwningPackage(dom0, inDom0)
  if (owner === null) return null
  if (!files.has(owner.name)) files.set(owner.name, valueOrNull(await dom0.rpm.files(owner.name)))
  // /lib and /bin are links to /usr: a package may list its file by either name.
  const names = [inDom0, inDom0.replace(/^\/usr\//, '/')]
  const isTheirs = files
    .get(owner.name)
    ?.some((file) => names.includes(file.path) && file.evr === owner.evr && file.sha256 === entry.sha256)
  return isTheirs === true ? `${owner.name} ${owner.evr}` : null
}
