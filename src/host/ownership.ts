import { lstat, readlink } from 'node:fs/promises'

/** Writable by group or others. */
const FOREIGN_WRITE = 0o022
/** In such a directory, as /tmp is one, only its owner removes or renames a file (inode(7), S_ISVTX). */
const STICKY = 0o1000
/** As the kernel: MAXSYMLINKS, path_resolution(7). */
const MAX_LINKS = 40

/**
 * Who else could have written a file: root reads its session, its list of trusted keys and the drop-in, and believes
 * them. Each directory on the way to it, from / on, and the file must belong to root or to the user who runs this, and
 * nobody else may write to them; above `root` a sticky directory will do.
 *
 * @param root a directory: the path itself, or above it
 * @returns the first thing that stands against it, in words; null where nothing does, or where nothing is there
 */
export async function findForeign(path: string, root: string): Promise<string | null> {
  let pending = path.split('/').filter(Boolean)
  let done: string[] = []
  let links = 0
  const depth = path.slice(root.length).split('/').filter(Boolean).length
  for (;;) {
    const here = `/${done.join('/')}`
    const stat = await lstat(here).catch(() => null)
    if (stat === null) return null
    if (stat.uid !== 0 && stat.uid !== process.geteuid?.())
      return `${here} belongs to user ${stat.uid}, neither to root nor to the user who runs this`
    if (stat.isSymbolicLink()) {
      links += 1
      if (links > MAX_LINKS) return `${path} is reached by too many links`
      const target = await readlink(here)
      done = target.startsWith('/') ? [] : done.slice(0, -1)
      pending = [...target.split('/').filter(Boolean), ...pending]
    } else if ((stat.mode & FOREIGN_WRITE) !== 0) {
      const isAbove = stat.isDirectory() && pending.length > depth
      if (!isAbove || (stat.mode & STICKY) === 0) return `others than its owner can write to ${here}`
    }
    const [name, ...rest] = pending
    if (name === undefined) return null
    pending = rest
    done = name === '..' ? done.slice(0, -1) : name === '.' ? done : [...done, name]
  }
}
