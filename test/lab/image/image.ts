/* The guest's disk as it is before the first boot, cached by all that goes into it. */

import { chmod, copyFile, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { SINIT_NAME, sinitModule } from '../../stage/dom0-image.ts'
import { must } from '../../stage/process.ts'
import type { PackageSpec } from '../../stage/releases.ts'
import { buildPackage, signingKey } from '../../stage/rpm.ts'
import { kernelBuild, kernelPayload, xenBuild } from './boot-images.ts'
import { debianRoot } from './debian-root.ts'
import { makeDisk } from './disk.ts'
import { filesOf, keepModules, sourceVersion } from './kernel-modules.ts'
import { GUEST_RPMS, kernelRelease, SECRET } from './names.ts'
import {
  aemPackage,
  dracutPackage,
  GUEST_FILES,
  kernelPackage,
  STAGE_AEM,
  tbootPackage,
  xenPackages,
} from './packages.ts'
import { kept, keyOf, treeParts } from './place.ts'
import { buildProgram, nodeBinary, type Program } from './program.ts'
import { configureGuest, grubConfig } from './settings.ts'

export { SECRET }

/** All paths absolute. The disk is raw and sparse; nothing in it is sealed yet. */
export type LabImage = {
  readonly disk: string
  /** The AEM device, an ext4 with the label `aem`: where it begins and how long it is, in bytes. */
  readonly bootOffset: number
  readonly bootLength: number
  /** The node that the guest has too. */
  readonly node: string
}

/** The guest's disk, built in some two minutes where the cache has none of these parts. */
export async function buildImage(): Promise<LabImage> {
  const program = await buildProgram()
  try {
    const debian = await debianRoot()
    const node = await nodeBinary()
    const key = keyOf([
      debian,
      ...program.parts,
      ...(await treeParts(import.meta.dirname)),
      ...(await treeParts(GUEST_FILES)),
      ...(await treeParts(STAGE_AEM)),
      await readFile(path.join(import.meta.dirname, '../../stage/dom0/usr/sbin/grub2-mkconfig')),
    ])
    const folder = await kept('image', key, (draft) => build(draft, debian, node, program))
    const facts = JSON.parse(await readFile(path.join(folder, 'image.json'), 'utf8'))
    return { disk: path.join(folder, 'disk.raw'), ...facts, node }
  } finally {
    await program.dispose()
  }
}

async function build(draft: string, debian: string, node: string, program: Program): Promise<void> {
  const root = path.join(draft, 'root')
  await mkdir(root)
  await must(['tar', '-xpf', debian, '-C', root])
  const release = await putBootFiles(root)
  await configureGuest(root, SINIT_NAME)
  await copyFile(node, path.join(root, 'usr/bin/node'))
  const stub = 'usr/sbin/grub2-mkconfig'
  await copyFile(path.join(import.meta.dirname, '../../stage/dom0', stub), path.join(root, stub))
  await install(root, [program.rpm])
  await must(['chown', '-R', '0:0', path.join(root, 'boot')])
  await inTree(root, ['dracut', '--force', `/boot/initramfs-${release}.img`, release])
  const boot = path.join(draft, 'boot')
  await rename(path.join(root, 'boot'), boot)
  await mkdir(path.join(root, 'boot'))
  await mkdir(path.join(boot, 'grub2'))
  await writeFile(path.join(boot, 'grub2/grub.cfg'), grubConfig({ kernel: release, sinit: SINIT_NAME }))
  await writeFile(path.join(boot, 'grub2/grubenv'), '# GRUB Environment Block\n'.padEnd(1024, '#'))
  const disk = await makeDisk(draft, boot, root)
  const facts = { bootOffset: disk.bootOffset, bootLength: disk.bootLength }
  await writeFile(path.join(draft, 'image.json'), `${JSON.stringify(facts)}\n`)
  for (const left of [root, boot]) await rm(left, { recursive: true })
}

/** Xen, kernel, tboot and AEM through packages of their own, signed; the updates lie in the guest, ready for `rpm -U`. */
async function putBootFiles(root: string): Promise<string> {
  const at = (file: string): string => path.join(root, file)
  const [packaged = ''] = (await must(['ls', at('usr/lib/modules')])).split('\n')
  const xen = await readFile(at('boot/xen-4.17-amd64.gz'))
  const vmlinuz = await readFile(at(`boot/vmlinuz-${packaged}`))
  const config = await readFile(at(`boot/config-${packaged}`))
  const elf = await unpackKernel(root, vmlinuz)
  const release = kernelRelease(await sourceVersion(elf))
  const modules = await keepModules(root, packaged, release)
  await rm(at('boot'), { recursive: true })
  await mkdir(at('boot/aem/tpms'), { recursive: true })
  await writeFile(at(`boot/${SINIT_NAME}`), sinitModule())
  await mkdir(at('etc/rpm'), { recursive: true })
  await writeFile(at('etc/rpm/macros'), '%_dbpath /var/lib/rpm\n')
  await rm(at('var/lib/rpm'), { recursive: true, force: true })
  const kernel = kernelBuild(vmlinuz, elf, release)
  const installed = [
    ...xenPackages('old', xenBuild(xen, 'old')),
    kernelPackage(release, kernel, config, await filesOf(root, modules)),
    tbootPackage(await readFile('/boot/tboot.gz')),
    await dracutPackage(root, 'old'),
    await aemPackage(),
  ]
  const later = [...xenPackages('new', xenBuild(xen, 'new')), await dracutPackage(root, 'new')]
  await rpm(root, ['--initdb'])
  await rpm(root, ['--import', path.join(await signingKey(), 'public.asc')])
  await install(root, await buildAll(installed))
  await must(['depmod', '-b', root, release])
  await mkdir(at(GUEST_RPMS), { recursive: true })
  for (const file of await buildAll([...installed, ...later]))
    if (!path.basename(file).startsWith('kernel-'))
      await copyFile(file, path.join(at(GUEST_RPMS), path.basename(file)))
  return release
}

async function buildAll(specs: readonly PackageSpec[]): Promise<string[]> {
  const files: string[] = []
  for (const spec of specs) files.push(await buildPackage(spec))
  return files
}

async function unpackKernel(root: string, vmlinuz: Buffer): Promise<Buffer> {
  const file = path.join(root, 'payload')
  // the kernel's build appends the unpacked size, four bytes that xz takes for garbage
  await writeFile(`${file}.xz`, kernelPayload(vmlinuz).subarray(0, -4))
  await must(['xz', '--decompress', `${file}.xz`])
  const elf = await readFile(file)
  await rm(file)
  return elf
}

function rpm(root: string, argv: readonly string[]): Promise<string> {
  return must(['rpm', '--root', root, '--dbpath', '/var/lib/rpm', ...argv])
}

async function install(root: string, files: readonly string[]): Promise<void> {
  await rpm(root, ['--install', '--nodeps', '--replacefiles', ...files])
}

/** Runs a program of the tree in it, in mounts that end with it. */
async function inTree(root: string, argv: readonly string[]): Promise<void> {
  const script =
    'umask 022; mount -t proc proc "$1/proc" && mount --rbind /dev "$1/dev" && exec chroot "$@" 2>&1'
  await chmod(root, 0o755)
  const said = await must(
    ['unshare', '--mount', '--propagation', 'private', 'sh', '-c', script, 'sh', root, ...argv],
    {
      timeoutMs: 300_000,
    },
  )
  if (process.env.LAB_VERBOSE) process.stderr.write(said)
}
