/* The RPM packages of the guest: real names and versions, signed by a test key, owning the files that are measured. */

import { readdir, readFile, stat } from 'node:fs/promises'
import path from 'node:path'
import type { PackageSpec } from '../../stage/releases.ts'
import { AEM_VERSION, DRACUT_RELEASES, DRACUT_VERSION, XEN_RELEASES, XEN_VERSION } from './names.ts'

/** QubesOS/qubes-vmm-xen, xen.spec.in; qubes-linux-kernel, kernel.spec.in; Fedora's tboot.spec. */
const EPOCHS = { xen: 2001, kernel: 1000, tboot: 1 }

export const STAGE_AEM = path.join(import.meta.dirname, '../../stage/aem')
export const GUEST_FILES = path.join(import.meta.dirname, '../guest')
const AEM_MODULE = 'usr/lib/dracut/modules.d/90anti-evil-maid/module-setup.sh'

/** The Xen packages of one release; the hypervisor's file name has no release number, so an update overwrites it. */
export function xenPackages(release: keyof typeof XEN_RELEASES, image: Buffer): PackageSpec[] {
  const base = { epoch: EPOCHS.xen, version: XEN_VERSION, release: XEN_RELEASES[release] }
  const doc = (name: string): PackageSpec['files'] => ({
    [`/usr/share/doc/${name}/README`]: { content: Buffer.from(`${name} ${base.version}-${base.release}\n`) },
  })
  return [
    { ...base, name: 'xen', files: doc('xen') },
    { ...base, name: 'xen-libs', files: doc('xen-libs') },
    { ...base, name: 'xen-runtime', files: doc('xen-runtime') },
    { ...base, name: 'xen-hypervisor', files: { [`/boot/xen-${XEN_VERSION}.gz`]: { content: image } } },
  ]
}

export function kernelPackage(
  release: string,
  image: Buffer,
  config: Buffer,
  modules: PackageSpec['files'],
): PackageSpec {
  const [version = '', rest = ''] = release.split(/-(.*)/)
  return {
    name: 'kernel',
    epoch: EPOCHS.kernel,
    version,
    release: rest.replace(/\.x86_64$/, ''),
    files: {
      ...modules,
      [`/boot/vmlinuz-${release}`]: { content: image, mode: 0o755 },
      [`/boot/config-${release}`]: { content: config },
      [`/boot/initramfs-${release}.img`]: null,
    },
  }
}

export function tbootPackage(image: Buffer): PackageSpec {
  return {
    name: 'tboot',
    epoch: EPOCHS.tboot,
    version: '1.10.5',
    release: '2.fc37',
    files: { '/boot/tboot.gz': { content: image } },
  }
}

/**
 * dracut as the guest has it, from Debian's package; the newer release differs by a comment in a script that every initramfs holds.
 * @param root the tree with Debian's files
 */
export async function dracutPackage(
  root: string,
  release: keyof typeof DRACUT_RELEASES,
): Promise<PackageSpec> {
  const folder = path.join(root, 'usr/lib/dracut')
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  const files: PackageSpec['files'] = {}
  for (const entry of entries.filter((each) => each.isFile())) {
    const file = path.join(entry.parentPath, entry.name)
    const name = `/${path.relative(root, file)}`
    if (/\/(90anti-evil-maid|99lab-user)\//.test(name)) continue
    files[name] = { content: await readFile(file), mode: (await stat(file)).mode & 0o777 }
  }
  files['/usr/bin/dracut'] = { content: await readFile(path.join(root, 'usr/bin/dracut')), mode: 0o755 }
  const changed = '/usr/lib/dracut/modules.d/99base/dracut-lib.sh'
  const script = files[changed]
  if (!script) throw new Error(`this dracut has no ${changed}`)
  if (release === 'new')
    script.content = Buffer.concat([script.content, Buffer.from('\n# fixed in the next release\n')])
  return { name: 'dracut', version: DRACUT_VERSION, release: DRACUT_RELEASES[release], files }
}

/** AEM's programs: the stage's stand-ins, and the dracut module, which the stage does not need. */
export async function aemPackage(): Promise<PackageSpec> {
  const entries = await readdir(STAGE_AEM, { recursive: true, withFileTypes: true })
  const files: PackageSpec['files'] = {}
  for (const entry of entries.filter((each) => each.isFile())) {
    const file = path.join(entry.parentPath, entry.name)
    const name = path.relative(STAGE_AEM, file)
    const isProgram = /\/sbin\/|\/dracut\/|grub\.d/.test(name)
    files[`/${name}`] = { content: await readFile(file), mode: isProgram ? 0o755 : 0o644 }
  }
  files[`/${AEM_MODULE}`] = { content: await readFile(path.join(GUEST_FILES, AEM_MODULE)), mode: 0o755 }
  return { name: 'anti-evil-maid', version: AEM_VERSION, release: '1.fc37', files }
}
