import { isSinceBoot } from '../../core/decide/since-boot.ts'
import type { BootEntry } from '../../core/launch/boot-entry.ts'
import type { ImageDigest } from '../../core/launch/image-digest.ts'
import type { Host } from '../../host/host.ts'
import { valueOrNull } from '../../host/host.ts'
import { bootFileRole, listBootFiles } from '../device/boot-files.ts'

/**
 * Are the SINIT modules of these entries still those of this boot? A file that is older than the boot counts as the same; so
 * does one that was written since with the bytes that dom0's own /boot had before the boot, as anti-evil-maid-install copies
 * it to a stick, and one of a time after the present: an earlier boot wrote it, whose clock was right. It decides whether logged digests can stand for the next boot: a wrong guess makes a boot that shows no secret.
 * @param root of the boot device
 * @returns null where it cannot be told
 */
export async function observeSinit(
  host: Host,
  root: string,
  entries: readonly BootEntry[],
  images: Readonly<Record<string, ImageDigest>>,
  bootTime: string | null,
): Promise<boolean | null> {
  const paths = [...new Set(entries.flatMap((entry) => entry.sinit.map((file) => file.path)))]
  if (bootTime === null) return null
  const isNoneNamed = entries.some(({ flavour, sinit }) => flavour === 'trenchboot' && sinit.length === 0)
  if (isNoneNamed && (await hasModules(host, root)) !== false) return null
  for (const path of paths) {
    const isOlder = await isOlderThanBoot(host, `${root}${path}`, bootTime)
    if (isOlder === null) return null
    if (!isOlder && !(await isCopyOfDom0(host, path, images[path], bootTime))) return false
  }
  return true
}

/** AEM's script names each that lies there: an entry without any is none of it, or older than they are. null: not known. */
async function hasModules(host: Host, root: string): Promise<boolean | null> {
  const names = await listBootFiles(host, root)
  return names === null ? null : names.some((name) => bootFileRole(name) === 'sinit')
}

async function isOlderThanBoot(host: Host, path: string, bootTime: string): Promise<boolean | null> {
  const stat = valueOrNull(await host.statFile(path))
  if (stat === null || !Number.isFinite(stat.mtimeMs)) return null
  return isSinceBoot(stat.mtimeMs, Date.parse(bootTime), host.now) !== true
}

/** On a device that is dom0's /boot itself the file is newer there too, so it is no copy. */
async function isCopyOfDom0(
  host: Host,
  path: string,
  image: ImageDigest | undefined,
  bootTime: string,
): Promise<boolean> {
  const own = `/boot${path}`
  const digest = image?.storedDigests.sha256
  if (digest === undefined || (await isOlderThanBoot(host, own, bootTime)) !== true) return false
  return valueOrNull(await host.digestFile(own))?.sha256 === digest
}
