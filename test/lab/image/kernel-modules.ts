/* Of Debian's 4000 kernel modules, those this guest needs: the initramfs and the disk stay small. */

import { readdir, readFile, rename, rm } from 'node:fs/promises'
import path from 'node:path'
import { must, run } from '../../stage/process.ts'

const WANTED = [
  ...['ext4', 'virtio_blk', 'virtio_pci', 'virtio_console', 'virtio_rng', 'autofs4'],
  ...['xenfs', 'xen_evtchn', 'xen_gntdev', 'xen_gntalloc', 'xen_privcmd'],
]

/**
 * Leaves the wanted modules and what they depend on, and names their folder after the kernel that will run: the kernel takes them by
 * the CRCs of their symbols (CONFIG_MODVERSIONS), not by the release in their version text.
 * @returns their paths below `/`
 */
export async function keepModules(root: string, packaged: string, release: string): Promise<string[]> {
  const folder = path.join(root, 'usr/lib/modules', packaged)
  await must(['depmod', '-b', root, packaged])
  const wanted = new Set<string>()
  for (const name of WANTED) {
    const shown = await run(['modprobe', '-d', root, '-S', packaged, '--show-depends', name])
    if (shown.exit !== 0) throw new Error(`kernel module ${name}: ${shown.stderr}`)
    for (const [, file = ''] of shown.stdout.matchAll(/^insmod (\S+)/gm)) wanted.add(path.basename(file))
  }
  if (wanted.size < WANTED.length / 2) throw new Error('modprobe names too few modules: is kmod installed?')
  const all = await readdir(folder, { recursive: true })
  for (const file of all)
    if (file.includes('.ko') && !wanted.has(path.basename(file))) await rm(path.join(folder, file))
  const renamed = path.join(root, 'usr/lib/modules', release)
  await rename(folder, renamed)
  await must(['find', path.join(renamed, 'kernel'), '-depth', '-type', 'd', '-empty', '-delete'])
  await must(['depmod', '-b', root, release])
  return (await readdir(renamed, { recursive: true }))
    .filter((file) => file.includes('.ko'))
    .map((file) => `/usr/lib/modules/${release}/${file}`)
    .sort()
}

/** The version of the source that Debian built a kernel from, e.g. `6.1.192`, out of the kernel's own banner. */
export async function sourceVersion(elf: Buffer): Promise<string> {
  const found = /SMP PREEMPT_DYNAMIC Debian ([0-9.]+)-/.exec(elf.toString('latin1'))?.[1]
  if (found === undefined) throw new Error('no Debian version in the banner of this kernel')
  return found
}

/** The files of a folder of the tree, for a package: their paths below `/`, contents and modes. */
export async function filesOf(
  root: string,
  paths: readonly string[],
): Promise<Record<string, { content: Buffer; mode: number }>> {
  const files: Record<string, { content: Buffer; mode: number }> = {}
  for (const file of paths) files[file] = { content: await readFile(path.join(root, file)), mode: 0o644 }
  return files
}
