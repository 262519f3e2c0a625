import { type BootEntry, type BootFile, listMeasuredFiles } from './boot-entry.ts'
import type { ImageDigest } from './image-digest.ts'
import type { Digests } from './launch-log.ts'
import { type Images, launchDigests } from './match-module.ts'
import type { CommandLineRule } from './module-digest.ts'
import { type Refusal, refuse } from './refusal.ts'

/** A module of the next boot: its digests, or why they cannot be known. */
export type NextModule = {
  readonly file: BootFile
  readonly digests: Digests
  readonly refusal: Refusal | null
}

/** What the next launch will measure as modules, from the files as they are now. */
export function listNextModules(
  entry: BootEntry,
  images: Images,
  rule: CommandLineRule | null,
): NextModule[] {
  return listMeasuredFiles(entry, images).map((file) => describeModule(file, images[file.path], rule))
}

function describeModule(
  file: BootFile,
  image: ImageDigest | undefined,
  rule: CommandLineRule | null,
): NextModule {
  const failed = (refusal: Refusal): NextModule => ({ file, digests: {}, refusal })
  if (image === undefined) return failed(refuse('module-unreadable', `${file.path} could not be read`))
  if (image.problem !== null) return failed(refuse('image-undetermined', `${file.path}: ${image.problem}`))
  return { file, digests: launchDigests(file.commandLine, rule, image.digests), refusal: null }
}
