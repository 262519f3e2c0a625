import { chmod, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { build } from 'esbuild'
import type { Reproduction } from '../../src/core/initramfs/reproduction.ts'
import { type Holder, openHolder } from './namespace.ts'
import { type Finished, must } from './process.ts'
import { cached } from './rpm.ts'

const here = import.meta.dirname

/** Debian's own; they are unpacked into a tree and never installed: dracut's scripts would make an initramfs of this machine. */
const PACKAGES = ['dracut', 'dracut-core', 'kmod', 'cpio', 'kpartx', 'udev'] as const
/** The smallest kernel of Debian; of its modules those that a dom0 boots with. */
const KERNEL_META = 'linux-image-cloud-amd64'
const KEPT_MODULES = [
  'drivers/md/*',
  'drivers/hv/hv_vmbus.ko',
  'drivers/scsi/scsi_*.ko',
  'drivers/scsi/virtio_scsi.ko',
  'drivers/virtio/virtio*.ko',
  'drivers/nvme/*',
  'fs/fuse/*',
  'lib/*',
  'crypto/*',
]

/** As Fedora's dracut.conf.d/fedora.conf.example of dracut 057, and what keeps the image small. */
const CONFIGURATION = `hostonly="yes"
reproducible="yes"
early_microcode="yes"
hostonly_cmdline="no"
compress="gzip -n -1"
nostrip="yes"
dracutmodules+=" base kernel-modules rootfs-block fs-lib crypt dm "
`
export const CRYPTTAB = 'luks-1 UUID=0c6a3b14-9df2-4a35-8e0a-7a1f0f9c5b21 none discard,force\n'

export type DracutRoot = {
  readonly holder: Holder
  readonly release: string
  /** A file of the tree, for this process. */
  pathOf(file: string): string
  run(argv: readonly string[], umask?: number): Promise<Finished>
  /** `reproduceInitramfs` on the program's real host, inside. */
  reproduce(file: string, sha256: string): Promise<{ result: Reproduction; said: string[] }>
  /** The modaliases of devices that the machine seems to have. */
  setDevices(modaliases: readonly string[]): Promise<void>
  destroy(): Promise<void>
}

/** @throws Error when Debian's packages can neither be downloaded nor are kept from an earlier run */
async function dracutLayer(): Promise<string> {
  const inputs = [
    await microcodeName(),
    ...PACKAGES,
    KERNEL_META,
    ...KEPT_MODULES,
    await readFile(import.meta.filename),
  ]
  return cached('dracut', inputs, async (layer) => {
    await chmod(layer, 0o755)
    const debs = path.join(layer, '.debs')
    await mkdir(debs)
    const depends = await must(['apt-cache', 'depends', KERNEL_META])
    const kernel = /Depends: (linux-image-\S+)/.exec(depends)?.[1]
    if (kernel === undefined) throw new Error(`apt-cache knows no ${KERNEL_META}; next: apt-get update`)
    await must([
      'env',
      '-C',
      debs,
      'apt-get',
      '-o',
      'APT::Sandbox::User=root',
      'download',
      ...PACKAGES,
      kernel,
    ])
    for (const name of await readdir(debs)) {
      const deb = path.join(debs, name)
      if (!name.startsWith('linux-image-')) await must(['dpkg-deb', '--extract', deb, layer])
      else
        await must([
          'bash',
          '-c',
          // biome-ignore lint/suspicious/noTemplateCurlyInString: bash's own
          'dpkg-deb --fsys-tarfile "$1" | tar -x -C "$2" --wildcards "${@:3}"',
          '-',
          deb,
          layer,
          './boot/config-*',
          './lib/modules/*/modules.*',
          ...KEPT_MODULES.map((kept) => `./lib/modules/*/kernel/${kept}`),
        ])
    }
    await rm(debs, { recursive: true })
    // Debian 12 has its files in /usr, these packages are from before that.
    for (const name of ['lib', 'bin', 'sbin'])
      await must([
        'bash',
        '-c',
        '[ ! -d "$1/$2" ] || { mkdir -p "$1/usr/$2"; cp -a "$1/$2/." "$1/usr/$2/"; rm -r "$1/$2"; }',
        '-',
        layer,
        name,
      ])
    const put = async (name: string, content: string | Buffer): Promise<void> => {
      await mkdir(path.dirname(path.join(layer, name)), { recursive: true })
      await writeFile(path.join(layer, name), content, { mode: 0o644 })
    }
    await put('etc/dracut.conf.d/fedora.conf', CONFIGURATION)
    await put('etc/crypttab', CRYPTTAB)
    await put(await microcodeName(), 'microcode of the tests\n')
  })
}

/** The file that dracut takes for this machine's processor (059, dracut-functions.sh, get_ucode_file). */
async function microcodeName(): Promise<string> {
  const text = await readFile('/proc/cpuinfo', 'utf8')
  const field = (name: string): string => new RegExp(`^${name}\\s*: (.*)$`, 'm').exec(text)?.[1] ?? ''
  const hex = (name: string): string => Number(field(name)).toString(16).padStart(2, '0')
  if (field('vendor_id') === 'GenuineIntel')
    return `usr/lib/firmware/intel-ucode/${[hex('cpu family'), hex('model'), hex('stepping')].join('-')}`
  const family = Number(field('cpu family'))
  return `usr/lib/firmware/amd-ucode/microcode_amd${family >= 0x15 ? `_fam${hex('cpu family')}h` : ''}.bin`
}

export async function openDracutRoot(): Promise<DracutRoot> {
  const layer = await dracutLayer()
  const holder = await openHolder()
  const script = path.join(here, 'namespace/dracut-root.sh')
  await holder.must(['bash', script, holder.folder, layer, process.execPath])
  const root = path.join(holder.folder, 'root')
  const pathOf = (file: string): string => holder.outside('root', file)
  const [release = ''] = await readdir(path.join(layer, 'usr/lib/modules'))
  const inside = ['chroot', root, 'env', '-i', 'PATH=/usr/sbin:/usr/bin:/sbin:/bin', 'LC_ALL=C']
  await holder.must([...inside, 'depmod', release])
  const bundle = path.join(tmpdir(), `initramfs-driver-${process.pid}.mjs`)
  await build({
    entryPoints: [path.join(here, 'initramfs-driver.ts')],
    outfile: bundle,
    bundle: true,
    platform: 'node',
    format: 'esm',
    banner: {
      js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);",
    },
  })
  await writeFile(pathOf('/run/driver.mjs'), await readFile(bundle))
  await rm(bundle)
  const run: DracutRoot['run'] = (argv, umask = 0o022) =>
    holder.run([...inside, 'bash', '-c', `umask ${umask.toString(8)}; exec "$@"`, '-', ...argv])
  return {
    holder,
    release,
    pathOf,
    run,
    async reproduce(file, sha256) {
      const { exit, stdout, stderr } = await run(['/run/node', '/run/driver.mjs', file, release, sha256])
      if (exit !== 0) throw new Error(`the driver ended with ${exit}: ${stderr}`)
      return JSON.parse(stdout)
    },
    async setDevices(modaliases) {
      const folder = pathOf('/run/devices')
      for (const name of await readdir(folder)) await rm(path.join(folder, name), { recursive: true })
      for (const [at, modalias] of modaliases.entries()) {
        await mkdir(path.join(folder, `${at}`))
        await writeFile(path.join(folder, `${at}`, 'modalias'), `${modalias}\n`)
      }
    },
    destroy: () => holder.end(),
  }
}
