import type { Updates } from '../core/mark/updates.ts'
import { withoutEpoch } from '../core/package/evr.ts'

const MAX_NAMED = 3

/** What was updated, by packages; by files where rpm names none. */
export function nameUpdates({ mark, packages, newInitramfs }: Updates): string {
  const names = packages.map(({ name, evr }) => `${name} ${withoutEpoch(evr)}`)
  const files =
    mark?.state === 'marked' ? mark.files.map(({ path }) => path).filter((path) => path.startsWith('/')) : []
  const all = [...(names.length > 0 ? names : files), ...newInitramfs.filter((path) => !files.includes(path))]
  if (all.length === 0) return 'files that AEM measures'
  const left = all.length - MAX_NAMED
  return `${all.slice(0, MAX_NAMED).join(', ')}${left > 0 ? ` and ${left} more` : ''}`
}
