import { kernelImage, otherXenBuild, realXenImage } from './boot-files.ts'

export type ReleaseDist = 'fc32' | 'fc37' | 'fc41'

/** A package to build: real names and versions, contents by path. `null` stands for a %ghost. */
export interface PackageSpec {
  name: string
  epoch?: number
  version: string
  release: string
  summary?: string
  files: Record<string, { content: Buffer; mode?: number } | null>
}

interface Release {
  qubes: string
  pointRelease: string
  fedora: number
  xenVersion: string
  /** RPM releases before and after the update; 4.14.6-10 and 4.17.4-4 are QSB-103's. */
  xenReleases: { old: string; new: string }
  kernelVersion: string
}

export const RELEASES: Record<ReleaseDist, Release> = {
  fc32: {
    qubes: '4.1',
    pointRelease: '4.1.2',
    fedora: 32,
    xenVersion: '4.14.6',
    xenReleases: { old: '9', new: '10' },
    kernelVersion: '5.15.160',
  },
  fc37: {
    qubes: '4.2',
    pointRelease: '4.2.2',
    fedora: 37,
    xenVersion: '4.17.4',
    xenReleases: { old: '3', new: '4' },
    kernelVersion: '6.6.36',
  },
  fc41: {
    qubes: '4.3',
    pointRelease: '4.3.0',
    fedora: 41,
    xenVersion: '4.19.3',
    xenReleases: { old: '1', new: '2' },
    kernelVersion: '6.12.39',
  },
}

/** QubesOS/qubes-vmm-xen, xen.spec.in. */
const XEN_EPOCH = 2001
/** QubesOS/qubes-linux-kernel, kernel.spec.in. */
const KERNEL_EPOCH = 1000

export function xenImageOf(build: 'old' | 'new', dist: ReleaseDist): Buffer {
  return build === 'new' ? realXenImage() : otherXenBuild(`${dist} old`)
}

/** The Xen packages of dom0. The hypervisor's file name has no release number, so an update overwrites it in place. */
export function xenPackages(build: 'old' | 'new', dist: ReleaseDist): PackageSpec[] {
  const { xenVersion: version, xenReleases } = RELEASES[dist]
  const release = `${xenReleases[build]}.${dist}`
  const text = (path: string): PackageSpec['files'] => ({
    [path]: { content: Buffer.from(`${path} of xen ${version}-${release}\n`) },
  })
  const base = { epoch: XEN_EPOCH, version, release }
  return [
    { ...base, name: 'xen', files: text('/usr/share/doc/xen/README') },
    { ...base, name: 'xen-libs', files: text('/usr/lib64/libxenctrl.so.4.17') },
    { ...base, name: 'xen-runtime', files: text('/usr/share/doc/xen-runtime/README') },
    {
      ...base,
      name: 'xen-hypervisor',
      files: {
        [`/boot/xen-${version}.gz`]: { content: xenImageOf(build, dist) },
        [`/boot/xen-${version}.config`]: { content: Buffer.from('CONFIG_X86=y\nCONFIG_TBOOT=y\n') },
      },
    },
  ]
}

/** Name of a kernel as in its file names, e.g. 6.6.36-1.qubes.fc37.x86_64. */
export function kernelName(dist: ReleaseDist, release = '1'): string {
  return `${RELEASES[dist].kernelVersion}-${release}.qubes.${dist}.x86_64`
}

export function kernelPackage(dist: ReleaseDist, release = '1'): PackageSpec {
  const name = kernelName(dist, release)
  return {
    name: 'kernel',
    epoch: KERNEL_EPOCH,
    version: RELEASES[dist].kernelVersion,
    release: `${release}.qubes.${dist}`,
    files: {
      [`/boot/vmlinuz-${name}`]: { content: kernelImage(name), mode: 0o755 },
      [`/boot/config-${name}`]: { content: Buffer.from('CONFIG_XEN=y\nCONFIG_XEN_DOM0=y\n') },
      [`/boot/initramfs-${name}.img`]: null,
    },
  }
}

/** Small packages of what makes the initramfs; their own files do not matter, their versions do. */
export function toolPackages(dist: ReleaseDist): PackageSpec[] {
  const doc = (name: string): PackageSpec['files'] => ({
    [`/usr/share/doc/${name}/README`]: { content: Buffer.from(`${name}\n`) },
  })
  return [
    { name: 'dracut', version: '057', release: `5.${dist}`, files: doc('dracut') },
    {
      name: 'microcode_ctl',
      epoch: 2,
      version: '2.1',
      release: `59.qubes1.${dist}`,
      files: doc('microcode_ctl'),
    },
    { name: 'trousers', version: '0.3.15', release: `6.${dist}`, files: doc('trousers') },
    { name: 'tpm-extra', version: '4.2.0', release: `1.${dist}`, files: doc('tpm-extra') },
  ]
}
