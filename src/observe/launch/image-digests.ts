import { SEAL_BANKS } from '../../core/aem/tpm.ts'
import type { BootEntry } from '../../core/launch/boot-entry.ts'
import { digestImage, type ImageDigest } from '../../core/launch/image-digest.ts'
import type { FileDigests, Host } from '../../host/host.ts'
import { valueOrNull } from '../../host/host.ts'

/*
 * Every step looks at the boot files anew, and an initramfs of 50 MB takes a second to unpack and to hash. What the kernel says
 * was not written since is not read again by the same run of the program.
 */

const kept = new WeakMap<Host, Map<string, ImageDigest>>()

/** Digests of all that entries load, by path; a file that cannot be read is left out. */
export async function digestEntries(
  host: Host,
  root: string,
  entries: readonly BootEntry[],
): Promise<Readonly<Record<string, ImageDigest>>> {
  const images: Record<string, ImageDigest> = {}
  for (const entry of entries) {
    for (const file of [entry.launcher, ...entry.modules, ...entry.sinit]) {
      if (file === null || images[file.path] !== undefined) continue
      const image = await digestOnce(host, `${root}${file.path}`, file.nounzip, entry.insmods)
      if (image !== null) images[file.path] = image
    }
  }
  return images
}

async function digestOnce(
  host: Host,
  path: string,
  nounzip: boolean,
  insmods: readonly string[],
): Promise<ImageDigest | null> {
  const known = kept.get(host) ?? new Map<string, ImageDigest>()
  kept.set(host, known)
  const identify = async (): Promise<string | null> => (await host.identifyFile?.(path)) ?? null
  const identity = await identify()
  const key = [identity, nounzip, ...insmods].join(' ')
  const before = identity === null ? undefined : known.get(key)
  if (before !== undefined) return before
  const image = await digestOne(host, path, nounzip, insmods)
  if (identity !== null && image !== null && (await identify()) === identity) known.set(key, image)
  return image
}

async function digestOne(
  host: Host,
  path: string,
  nounzip: boolean,
  insmods: readonly string[],
): Promise<ImageDigest | null> {
  const chunks = await host.openFile(path)
  if (chunks.state === 'seen')
    return digestImage(chunks.value, { banks: SEAL_BANKS, nounzip, insmods, stored: true })
  const read = valueOrNull(await host.digestFile(path))
  return read === null ? null : toImageDigest(read, nounzip, insmods)
}

/** A recorded machine may hold digests of an image without its bytes; then only gzip is known to be undone. */
function toImageDigest(kept: FileDigests, nounzip: boolean, insmods: readonly string[]): ImageDigest {
  const isPacked = kept.gunzipped !== undefined
  const { sha1, sha256 } = (nounzip ? undefined : kept.gunzipped) ?? kept
  const mayDiffer = !isPacked && insmods.some((name) => name === 'xzio' || name === 'lzopio')
  return {
    digests: mayDiffer ? {} : { sha1, sha256 },
    storedDigests: { sha1: kept.sha1, sha256: kept.sha256 },
    sizeBytes: kept.sizeBytes,
    loadedSizeBytes: kept.sizeBytes,
    kind: isPacked ? 'gzip' : 'raw',
    problem: mayDiffer ? 'only its digest is recorded, and grub.cfg loads a decompressor' : null,
  }
}
