import type { Failure } from '../../src/core/failure.ts'
import { parseGrubConfig } from '../../src/core/launch/grub-cfg.ts'
import { ABSENT, type FileDigests, type FileStat, type Host, seen, unknown } from '../../src/host/host.ts'
import type { AemDevice } from '../../src/observe/device/devices.ts'
import type { Dom0 } from '../../src/observe/dom0/dom0.ts'
import { makeFakeHost } from '../support/fake-host.ts'
import { INTERNAL_UUID } from '../support/recorded-machine.ts'

/* An AEM device whose files are known by digest and date alone, beside packages of which rpm tells as much. */

export const ROOT = '/media'
export const XEN = 'xen-4.17.4.gz'
export const RELEASE = '6.6.36-1.qubes.fc37.x86_64'
export const LATEST = '6.9.2-1.qubes.fc37.x86_64'
export const [KERNEL, INITRAMFS] = [`vmlinuz-${RELEASE}`, `initramfs-${RELEASE}.img`]
export const DEVICE = { label: 'aem', uuid: INTERNAL_UUID, mountPoint: null, present: true } as AemDevice
/** When the packages were installed, and when the initramfs was made since. */
export const [INSTALLED, MADE, NOW] = ['2024-07-10', '2024-07-11', '2024-07-17'].map((day) =>
  Date.parse(day),
) as [number, number, number]

/** A digest for each name: what lies there under it is the same everywhere. */
export const digestOf = (name: string): string =>
  Buffer.from(name).toString('hex').padEnd(64, '0').slice(0, 64)

export type ToldFile = {
  /** null: it cannot be read. */
  readonly sha256?: string | null
  readonly mtimeMs?: number
  readonly buildId?: string
  readonly sizeBytes?: number
}
export type ToldPackage = {
  readonly evr: string
  readonly at?: number
  /** SHA-256 by path; null: rpm gives no answer. */
  readonly files?: Readonly<Record<string, string | null>> | null
  /** A version that is installed beside it. */
  readonly older?: { readonly evr: string; readonly files: Readonly<Record<string, string>> }
}
export type Told = {
  /** By the name on the device; of others nothing lies there. */
  readonly files?: Readonly<Record<string, ToldFile>>
  /** The same of dom0's own /boot. */
  readonly boot?: Readonly<Record<string, ToldFile>>
  readonly packages?: Readonly<Record<string, ToldPackage>>
  readonly grub?: string | Failure | null
  readonly host?: Partial<Host>
}

const packaged = (...names: readonly string[]) =>
  Object.fromEntries(names.map((name) => [`/boot/${name}`, digestOf(name)]))

export const PACKAGES: Readonly<Record<string, ToldPackage>> = {
  'xen-hypervisor': { evr: '2001:4.17.4-4.fc37', files: packaged(XEN) },
  kernel: { evr: '1000:6.6.36-1.qubes.fc37', files: packaged(KERNEL) },
  tboot: { evr: '1:1.11.1-1.fc37', files: packaged('tboot.gz') },
  dracut: { evr: '0:057-5.fc37' },
}
/** Beside `kernel`. */
export const LATEST_KERNEL: ToldPackage = {
  evr: '1000:6.9.2-1.qubes.fc37',
  files: packaged(`vmlinuz-${LATEST}`),
}

export const FILES: Readonly<Record<string, ToldFile>> = {
  [XEN]: {},
  [KERNEL]: {},
  [INITRAMFS]: {},
  'tboot.gz': {},
  'grub2/grub.cfg': {},
}

/** As AEM's 19_linux_xen_tboot writes it (anti-evil-maid 4.2.0), but for what is told otherwise. */
export function tbootEntry({
  xen = XEN,
  release = RELEASE,
  line = `aem.uuid=${INTERNAL_UUID}`,
  more = '',
}: {
  readonly xen?: string
  readonly release?: string
  readonly line?: string
  readonly more?: string
} = {}): string {
  return `menuentry 'AEM Qubes, with Xen hypervisor' --class qubes {
	multiboot	/tboot.gz placeholder logging=memory,serial
	module	/${xen} placeholder console=none
	module	/vmlinuz-${release} placeholder root=/dev/mapper/qubes_dom0-root ro ${line}
	module	/initramfs-${release}.img
	module	/SINIT.BIN
${more}}
`
}

/** @returns it, and the roots of the devices that are open now */
export function dom0Of({ files = FILES, packages = PACKAGES, grub = tbootEntry(), ...told }: Told) {
  const fileAt = (path: string): ToldFile | undefined => {
    if (path.startsWith('/boot/') && told.boot) return told.boot[path.slice('/boot/'.length)]
    if (!path.startsWith(`${ROOT}/`)) throw new Error(`${path} is none of its files`)
    return files[path.slice(ROOT.length + 1)]
  }
  const opened: string[] = []
  const host = makeFakeHost({
    kind: 'real',
    now: () => new Date(NOW),
    async openMedia() {
      opened.push(ROOT)
      return seen({ root: ROOT, close: async () => void opened.pop() })
    },
    listDirectory: async () => seen(Object.keys(files).filter((name) => !name.includes('/'))),
    async statFile(path) {
      const file = fileAt(path)
      if (file === undefined) return ABSENT
      const { mtimeMs = MADE, sizeBytes = 1 } = file
      return seen<FileStat>({ kind: 'file', sizeBytes, mtimeMs, mode: 0o644 })
    },
    async digestFile(path) {
      const file = fileAt(path)
      if (file === undefined) return ABSENT
      const { sha256 = digestOf(path.replace(/^\/(?:media|boot)\//, '')), sizeBytes = 1, buildId } = file
      if (sha256 === null) return unknown('input/output error')
      return seen<FileDigests>({ sha256, sha1: '', sizeBytes, buildId })
    },
    ...told.host,
  })
  const config = (uuid: string | null) =>
    typeof grub === 'string'
      ? parseGrubConfig(grub, { platform: 'pc', directory: '/grub2', files: new Map(), uuid })
      : grub
  const dom0 = {
    host,
    digest: (path: string) => host.digestFile(path),
    grub: async (root: string, uuid: string | null) => (root === ROOT ? config(uuid) : null),
    rpm: {
      async packages(name: string) {
        const { older, evr, at = INSTALLED } = packages[name] ?? {}
        const installedAt = new Date(at).toISOString()
        const evrs = [older?.evr, evr].filter((one) => one !== undefined)
        return seen(evrs.map((one) => ({ name, evr: one, installedAt })))
      },
      async files(name: string) {
        const { evr, files: own = {}, older } = packages[name] ?? {}
        if (own === null) return unknown('rpm failed')
        const list = (version: string | undefined, all: object) =>
          Object.entries(all).map(([path, sha256]) => ({ evr: version, path, sha256 }))
        return seen([...list(older?.evr, older?.files ?? {}), ...list(evr, own)])
      },
    },
  } as unknown as Dom0
  return { dom0, opened }
}
