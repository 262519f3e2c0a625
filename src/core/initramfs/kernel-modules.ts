import type { RawDifference } from './compare-images.ts'
import type { ModuleDifference } from './reproduction.ts'
import type { Tree } from './tree.ts'

/** More than a kernel of Fedora has in all (some 4,500). */
const MAX_MODULES = 10_000
const MODULE_NAME = /^[A-Za-z0-9_-]{1,64}$/

/**
 * Names of the kernel modules in an image, as the kernel tells them (`-` is `_`), sorted.
 * @returns null when there are more than any kernel has
 */
export function listModules(tree: Tree, release: string): readonly string[] | null {
  const names = new Set<string>()
  for (const [path, entry] of tree) {
    if (entry.kind !== 'file' || !isOfKernel(path, release)) continue
    const name = moduleName(path)
    if (name !== null) names.add(name)
  }
  return names.size > MAX_MODULES ? null : [...names].sort()
}

/** depmod(8), modules.dep(5): `kernel/drivers/md/dm-crypt.ko.xz: kernel/...`, one line a module. */
export function parseModulesDep(text: string): ReadonlySet<string> {
  const names = new Set<string>()
  for (const line of text.split('\n')) {
    const name = moduleName(line.slice(0, Math.max(0, line.indexOf(':'))))
    if (name !== null) names.add(name)
  }
  return names
}

/**
 * What DRACUT_KERNEL_MODALIASES points at: dracut takes each line of it for a module that this machine uses (057 to 103,
 * src/install/dracut-install.c, install_modules: the whole line is the name).
 */
export function renderModuleList(names: readonly string[]): string {
  return names.map((name) => `${name}\n`).join('')
}

/** Does anything below lib/modules/RELEASE differ? */
export function hasModuleDifference(differences: readonly RawDifference[], release: string): boolean {
  return differences.some(({ path }) => isOfKernel(path, release))
}

export function compareModules(image: readonly string[], fresh: readonly string[]): ModuleDifference {
  const [inImage, inFresh] = [new Set(image), new Set(fresh)]
  return {
    onlyInImage: image.filter((name) => !inFresh.has(name)),
    onlyLoadedNow: fresh.filter((name) => !inImage.has(name)),
  }
}

function isOfKernel(path: string, release: string): boolean {
  return path.startsWith(`usr/lib/modules/${release}/`) || path.startsWith(`lib/modules/${release}/`)
}

function moduleName(path: string): string | null {
  const [, name = ''] = /([^/]*)\.ko(?:\.(?:xz|zst|gz))?$/.exec(path) ?? []
  return MODULE_NAME.test(name) ? name.replaceAll('-', '_') : null
}
