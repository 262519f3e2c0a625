/* Where the lab keeps what takes long to make: outside the repository, each thing under a digest of all that went into it. */

import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readdir, readFile, readlink, rename, rm, stat, utimes } from 'node:fs/promises'
import { homedir } from 'node:os'
import path from 'node:path'

/** The lab's cache: LAB_CACHE, else `aem-reseal-lab` in the user's cache folder. */
export function cacheFolder(): string {
  return (
    process.env.LAB_CACHE ??
    path.join(process.env.XDG_CACHE_HOME ?? path.join(homedir(), '.cache'), 'aem-reseal-lab')
  )
}

/** First 20 hex digits of a SHA-256 over parts, each by its own digest. */
export function keyOf(parts: readonly (string | Buffer)[]): string {
  const hash = createHash('sha256')
  for (const part of parts) hash.update(createHash('sha256').update(part).digest())
  return hash.digest('hex').slice(0, 20)
}

/** Every file below a folder with its mode and bytes, links by their target, in order of their names: parts of a key. */
export async function treeParts(folder: string): Promise<(string | Buffer)[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  const files = entries
    .filter((entry) => !entry.isDirectory())
    .map((entry) => path.join(entry.parentPath, entry.name))
  const parts: (string | Buffer)[] = []
  for (const file of files.sort()) {
    const isLink = entries.some(
      (entry) => entry.isSymbolicLink() && path.join(entry.parentPath, entry.name) === file,
    )
    parts.push(path.relative(folder, file))
    if (isLink) parts.push(await readlink(file))
    else parts.push(String((await stat(file)).mode & 0o777), await readFile(file))
  }
  return parts
}

/** What was not used for so long goes when something of its kind is made: each change of the program makes a new disk. */
const FORGOTTEN_AFTER_MS = 24 * 3600 * 1000

/** Notes that something in the cache was used now. */
export async function noteUse(folder: string): Promise<void> {
  await utimes(folder, new Date(), new Date())
}

/** Removes things of a kind that nobody has used for a day, and drafts whose maker is gone. */
export async function forgetUnused(kind: string): Promise<void> {
  const cache = cacheFolder()
  for (const name of await readdir(cache)) {
    const folder = path.join(cache, name)
    const maker = /^draft-(\d+)-/.exec(name)?.[1]
    const isOrphan = maker !== undefined && !existsSync(`/proc/${maker}`)
    const isOfKind = name.startsWith(`${kind}-`) && /-[0-9a-f]{20}$/.test(name)
    const isOld = isOfKind && Date.now() - (await stat(folder)).mtimeMs > FORGOTTEN_AFTER_MS
    if (isOrphan || isOld) await rm(folder, { recursive: true, force: true })
  }
}

/**
 * The folder of a thing in the cache, made by `make` in a draft beside it where it is not there yet. A run that is killed leaves a
 * draft, which the next one that makes something removes.
 */
export async function kept(
  kind: string,
  key: string,
  make: (draft: string) => Promise<void>,
): Promise<string> {
  const cache = cacheFolder()
  const folder = path.join(cache, `${kind}-${key}`)
  if (existsSync(folder)) {
    await noteUse(folder)
    return folder
  }
  await mkdir(cache, { recursive: true, mode: 0o700 })
  await forgetUnused(kind)
  const draft = await mkdtemp(path.join(cache, `draft-${process.pid}-`))
  try {
    await make(draft)
    await rename(draft, folder)
  } finally {
    await rm(draft, { recursive: true, force: true })
  }
  return folder
}
