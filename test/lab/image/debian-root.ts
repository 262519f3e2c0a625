/* The guest's user space: Debian 12 by mmdebstrap, in a mount namespace of its own, so that nothing stays mounted. */

import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { must } from '../../stage/process.ts'
import { kept, keyOf } from './place.ts'

const HOOK = path.join(import.meta.dirname, 'unpack-kernel.sh')
const SOURCES = '/etc/apt/sources.list.d/debian.sources'

/** What runs in the guest, and what the program and AEM call there. */
const PACKAGES = [
  ...[
    'systemd',
    'systemd-sysv',
    'udev',
    'kmod',
    'dbus',
    'libnss-systemd',
    'procps',
    'psmisc',
    'mount',
    'fdisk',
    'e2fsprogs',
  ],
  ...['xen-utils-4.17', 'python3', 'pciutils', 'iproute2', 'sudo', 'libnotify-bin'],
  ...['tpm2-tools', 'libtss2-tcti-device0', 'tpm-udev', 'cryptsetup-bin', 'openssl', 'xxd'],
  ...['dracut-core', 'cpio', 'zstd', 'grub-common', 'plymouth'],
  ...['rpm', 'gpg', 'gpg-agent', 'gpgv'],
]
const LEFT_OUT = ['man', 'doc', 'locale', 'i18n']

/** A tar archive of a Debian 12 with its kernel and Xen, as it was when first asked for. */
export async function debianRoot(): Promise<string> {
  const key = keyOf([...PACKAGES, ...LEFT_OUT, await readFile(HOOK), await readFile(SOURCES)])
  const folder = await kept('debian', key, async (draft) => {
    const options = [
      '--variant=minbase',
      '--mode=root',
      '--aptopt=Apt::Install-Recommends "false"',
      '--aptopt=Acquire::Retries "5"',
      ...LEFT_OUT.map((name) => `--dpkgopt=path-exclude=/usr/share/${name}/*`),
      `--include=${PACKAGES.join(',')}`,
      `--customize-hook=sh ${HOOK} "$1"`,
    ]
    const argv = ['mmdebstrap', ...options, 'bookworm', path.join(draft, 'root.tar'), SOURCES]
    await must(['unshare', '--mount', '--propagation', 'private', ...argv], { timeoutMs: 900_000 })
  })
  return path.join(folder, 'root.tar')
}
