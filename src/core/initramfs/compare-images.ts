import type { InitramfsImage } from './read-image.ts'
import type { Difference } from './reproduction.ts'
import type { Tree, TreeEntry } from './tree.ts'

/** A difference as the images show it, before anybody is asked where its entry comes from. */
export type RawDifference = Pick<Difference, 'path' | 'change'> & {
  /** Of the checked image. */
  readonly checked: TreeEntry | null
  /** Of the image that was made now. */
  readonly fresh: TreeEntry | null
}

/** Marks a path of the early archive. */
export const EARLY_PREFIX = 'early:'

/** Every entry that differs, by path. Equal trees do not mean equal bytes: only those vouch for anything. */
export function compareImages(checked: InitramfsImage, fresh: InitramfsImage): readonly RawDifference[] {
  return [
    ...compareTrees(checked.early, fresh.early, EARLY_PREFIX),
    ...compareTrees(checked.main, fresh.main, ''),
  ]
}

function compareTrees(checked: Tree, fresh: Tree, prefix: string): readonly RawDifference[] {
  const paths = [...new Set([...checked.keys(), ...fresh.keys()])].sort()
  return paths.flatMap((path): RawDifference[] => {
    const [own, other] = [checked.get(path) ?? null, fresh.get(path) ?? null]
    const change = findChange(own, other)
    return change === null ? [] : [{ path: `${prefix}${path}`, change, checked: own, fresh: other }]
  })
}

function findChange(own: TreeEntry | null, other: TreeEntry | null): Difference['change'] | null {
  if (own === null) return 'removed'
  if (other === null) return 'added'
  if (own.kind !== other.kind || own.nodeDevice !== other.nodeDevice) return 'kind'
  if (own.sha256 !== other.sha256) return 'content'
  if (own.uid !== other.uid || own.gid !== other.gid) return 'owner'
  return own.mode === other.mode ? null : 'mode'
}
