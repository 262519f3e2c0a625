import { isSinceBoot } from '../../core/decide/since-boot.ts'
import { type MarkedFile, parseUpdateMark } from '../../core/mark/update-mark.ts'
import type { UpdateMarkLook, Updates } from '../../core/mark/updates.ts'
import type { Host } from '../../host/host.ts'
import { valueOrNull } from '../../host/host.ts'
import { UPDATE_MARK } from '../../tables/paths.ts'
import { bootFileRole, listBootFiles } from '../device/boot-files.ts'
import { readText } from '../read-text.ts'
import type { Dom0 } from './dom0.ts'
import type { MachineFacts } from './machine.ts'
import { observeOwningPackage } from './package-owner.ts'

/** Paths that rpm is asked about; a package is mostly named by its first ones. */
const MAX_LOOKED_UP = 12

/**
 * The mark of the package's file triggers. One that somebody else than root could have written is ignored: the real host
 * refuses to read it (host/ownership.ts).
 */
export async function observeUpdateMark(host: Host): Promise<UpdateMarkLook> {
  const text = await readText(host, UPDATE_MARK)
  if (text.state === 'absent') return { state: 'none' }
  // A recording that holds none says nothing.
  if (text.state === 'unknown') return host.kind === 'recorded' ? null : { state: 'ignored', why: text.why }
  const files = parseUpdateMark(text.value)
  return files === null
    ? { state: 'ignored', why: `${UPDATE_MARK} is not of the form that is known` }
    : { state: 'marked', files }
}

/** What was updated and not accounted for since, with what rpm says of the packages now. */
export async function observeUpdates(dom0: Dom0): Promise<Updates> {
  const { host } = dom0
  const mark = await observeUpdateMark(host)
  const packages = mark?.state === 'marked' ? await listPackages(dom0, mark.files) : []
  return { mark, packages, newInitramfs: await listNewInitramfs(host, await dom0.machine()) }
}

async function listPackages(dom0: Dom0, files: readonly MarkedFile[]): Promise<Updates['packages']> {
  const paths = [...new Set(files.map(({ path }) => path))].filter((path) => path.startsWith('/'))
  const first = [...paths.filter(isBootFile), ...paths.filter((path) => !isBootFile(path))]
  const packages = new Map<string, { readonly name: string; readonly evr: string }>()
  for (const path of first.slice(0, MAX_LOOKED_UP)) {
    const owner = await observeOwningPackage(dom0, path)
    if (owner !== null) packages.set(`${owner.name} ${owner.evr}`, { name: owner.name, evr: owner.evr })
  }
  return [...packages.values()]
}

function isBootFile(path: string): boolean {
  return path.startsWith('/boot/')
}

/**
 * Each initramfs of dom0's own /boot that was written after this boot began, by its time: one that was made by hand is in no
 * package, and no trigger sees it. Of a recorded machine the times are those of the recording. One of a time after the present
 * is of an earlier boot, whose clock was right.
 */
async function listNewInitramfs(host: Host, { bootTime }: MachineFacts): Promise<readonly string[]> {
  if (bootTime === null || host.kind === 'recorded') return []
  const names = (await listBootFiles(host, '/boot')) ?? []
  const written: string[] = []
  for (const name of names.filter((each) => bootFileRole(each) === 'initramfs')) {
    const stat = valueOrNull(await host.statFile(`/boot/${name}`))
    if (stat !== null && isSinceBoot(stat.mtimeMs, Date.parse(bootTime), host.now) === true)
      written.push(`/boot/${name}`)
  }
  return written
}
