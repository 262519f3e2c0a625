import { type CpioEntry, FILE_KIND } from './cpio-header.ts'

export type TreeEntry = {
  readonly kind: 'file' | 'directory' | 'link' | 'character' | 'block' | 'other'
  /** Permission bits with setuid, setgid and sticky. */
  readonly mode: number
  readonly uid: number
  readonly gid: number
  sha256: string
  /** Target of a link, or what was kept of a file. */
  content: Buffer | null
  /** Major and minor, of a device node alone. */
  readonly nodeDevice: string | null
}

/** What an archive unpacks to, by path without a leading slash. */
export type Tree = ReadonlyMap<string, TreeEntry>

const MAX_TARGET_BYTES = 4095
const KINDS: Readonly<Record<number, TreeEntry['kind']>> = {
  [FILE_KIND.file]: 'file',
  [FILE_KIND.directory]: 'directory',
  [FILE_KIND.link]: 'link',
  [FILE_KIND.character]: 'character',
  [FILE_KIND.block]: 'block',
}

/**
 * The tree that an archive unpacks to. Whatever two readers could unpack to two trees is told as odd: the kernel (init/initramfs.c)
 * follows links and `..`, lets a later entry win, and writes the body of any hard link to all of its names.
 */
export function makeTree(entries: readonly CpioEntry[], onOdd: (form: string) => void): Tree {
  const tree = new Map<string, TreeEntry>()
  const hardLinks = new Map<string, { entry: CpioEntry; made: TreeEntry }[]>()
  for (const entry of entries) {
    const kind = KINDS[entry.mode & FILE_KIND.mask] ?? 'other'
    checkName(entry.name, tree, onOdd)
    checkEntry(entry, kind, onOdd)
    const made: TreeEntry = {
      kind,
      mode: entry.mode & 0o7777,
      uid: entry.uid,
      gid: entry.gid,
      sha256: entry.sha256,
      content: entry.content,
      nodeDevice: kind === 'character' || kind === 'block' ? entry.nodeDevice : null,
    }
    tree.set(entry.name, made)
    if (kind !== 'file' || entry.linkCount < 2) continue
    const key = `${entry.device}/${entry.inode}`
    const group = hardLinks.get(key)
    if (group) group.push({ entry, made })
    else hardLinks.set(key, [{ entry, made }])
  }
  for (const group of hardLinks.values()) joinHardLinks(group, onOdd)
  return tree
}

function checkName(name: string, tree: Tree, onOdd: (form: string) => void): void {
  const shown = JSON.stringify(name)
  if (name.startsWith('/')) onOdd(`an absolute name, ${shown}`)
  else if (name.split('/').includes('..')) onOdd(`a name with .. in it, ${shown}`)
  else if (name !== '.' && name.split('/').some((part) => part === '' || part === '.'))
    onOdd(`a name with an empty part or . in it, ${shown}`)
  if (tree.has(name)) onOdd(`${shown} twice`)
  if (name === '.') return
  const slash = name.lastIndexOf('/')
  const parent = tree.get(slash === -1 ? '.' : name.slice(0, slash))
  if (parent === undefined) onOdd(`${shown} without its directory before it`)
  else if (parent.kind === 'link') onOdd(`${shown} through a link`)
  else if (parent.kind !== 'directory') onOdd(`${shown} below what is no directory`)
}

function checkEntry(entry: CpioEntry, kind: TreeEntry['kind'], onOdd: (form: string) => void): void {
  const shown = JSON.stringify(entry.name)
  if (kind === 'other' || entry.mode > 0o177777) onOdd(`${shown} of a kind that dracut does not write`)
  if (kind !== 'file' && kind !== 'link' && entry.sizeBytes > 0)
    onOdd(`data on ${shown}, which is a ${kind === 'directory' ? 'directory' : 'device node'}`)
  if (kind !== 'link') return
  const isTarget = entry.sizeBytes > 0 && entry.sizeBytes <= MAX_TARGET_BYTES && !entry.content?.includes(0)
  if (!isTarget) onOdd(`${shown}, a link with an odd target`)
}

/** GNU cpio writes the body with the last name of a file (copyout.c, defer_copyout), so that is the one form taken. */
function joinHardLinks(
  group: readonly { entry: CpioEntry; made: TreeEntry }[],
  onOdd: (form: string) => void,
): void {
  const last = group.at(-1)!
  const shown = JSON.stringify(last.entry.name)
  const bodies = group.filter(({ entry }) => entry.sizeBytes > 0)
  if (bodies.some(({ entry }) => entry !== last.entry))
    onOdd(`hard link ${shown} with a body at another than its last name`)
  if (group.length !== last.entry.linkCount)
    onOdd(`hard link ${shown} with ${group.length} of ${last.entry.linkCount} names`)
  for (const { entry, made } of group) {
    if (entry.mode !== last.entry.mode || entry.uid !== last.entry.uid || entry.gid !== last.entry.gid)
      onOdd(`hard link ${JSON.stringify(entry.name)} with other rights than ${shown}`)
    made.sha256 = last.made.sha256
    made.content ??= last.made.content
  }
}
