/* What of the guest's settings is written and not copied: Debian made to look like a dom0, and to boot quickly without hardware. */

import { chmod, cp, mkdir, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { writeQubesGrub } from '../../support/grub/qubes-grub-writer.ts'
import { UUIDS, XEN_VERSION } from './names.ts'
import { GUEST_FILES } from './packages.ts'

/** As in Qubes, but for the console and the memory of this small machine. */
const XEN_OPTIONS =
  'console=com1 com1=115200,8n1 dom0_mem=min:1024M dom0_mem=max:1280M ucode=scan smt=off gnttab_max_frames=2048 gnttab_max_maptrack_frames=4096 '
const KERNEL_OPTIONS = `rd.luks.uuid=luks-${UUIDS.luks} plymouth.ignore-serial-consoles rhgb quiet console=hvc0 `

/** Units of Debian that have nothing to do here. */
const MASKED = [
  ...[
    'systemd-random-seed',
    'systemd-binfmt',
    'systemd-pstore',
    'systemd-timesyncd',
    'systemd-update-utmp',
    'systemd-firstboot',
  ],
  ...[
    'e2scrub_reap',
    'getty@tty1',
    'serial-getty@ttyS0',
    'xen',
    'xendomains',
    'systemd-hwdb-update',
    'ldconfig',
    'systemd-machine-id-commit',
  ],
  ...[
    'modprobe@',
    'kmod-static-nodes',
    'systemd-repart',
    'systemd-update-utmp-runlevel',
    'plymouth-start',
    'plymouth-read-write',
    'plymouth-quit',
    'plymouth-quit-wait',
    'systemd-sysusers',
  ],
]
  .map((name) => `${name}.service`)
  .concat(
    ['proc-sys-fs-binfmt_misc.automount', 'dev-hugepages.mount', 'dev-mqueue.mount'],
    ['sys-kernel-debug.mount', 'sys-kernel-tracing.mount', 'sys-fs-fuse-connections.mount'],
    [
      'apt-daily.timer',
      'apt-daily-upgrade.timer',
      'e2scrub_all.timer',
      'fstrim.timer',
      'dpkg-db-backup.timer',
    ],
  )

const UNITS = 'etc/systemd/system'

/** grub.cfg as grub2-mkconfig of Qubes writes it, for this machine; `changes` make it the template of the guest's grub2-mkconfig. */
export function grubConfig(changes: {
  uuid?: string
  xenVersion?: string
  kernel: string
  sinit: string
}): string {
  const uuid = changes.uuid ?? UUIDS.boot
  return writeQubesGrub({
    uuid,
    deviceId: uuid,
    xenVersions: [changes.xenVersion ?? XEN_VERSION],
    kernels: [changes.kernel],
    sinit: [changes.sinit],
    xenOptions: XEN_OPTIONS,
    kernelOptions: KERNEL_OPTIONS,
    rootDevice: '/dev/disk/by-label/root',
  })
}

/** Puts the lab's own files and the settings of a dom0 into the tree. */
export async function configureGuest(root: string, sinit: string): Promise<void> {
  const at = (file: string): string => path.join(root, file)
  const put = async (file: string, content: string, mode = 0o644): Promise<void> => {
    await mkdir(path.dirname(at(file)), { recursive: true })
    await writeFile(at(file), content)
    await chmod(at(file), mode)
  }
  await cp(GUEST_FILES, root, { recursive: true, preserveTimestamps: false })
  // 13 MB of names of devices that are not here, in the initramfs too
  await rm(at('usr/lib/udev/hwdb.bin'), { force: true })
  await rm(at('usr/lib/udev/hwdb.d'), { recursive: true, force: true })
  await put(
    'etc/shadow',
    (await readFile(at('etc/shadow'), 'utf8')).replace(/^root:[^:]*:/m, 'root::'),
    0o640,
  )
  await put('etc/hostname', 'dom0\n')
  await put('etc/machine-id', '5ea1000000000000000000000000d000\n')
  await put(
    'etc/fstab',
    `LABEL=root / ext4 defaults,noatime 0 0\nUUID=${UUIDS.boot} /boot ext4 defaults,noatime 0 0\n`,
  )
  await put('etc/modules-load.d/lab.conf', 'xen-privcmd\nxen-evtchn\nxen-gntdev\nxenfs\nvirtio_console\n')
  await put('etc/qubes-release', 'Qubes release 4.2.2 (R4.2)\n')
  await rm(at('etc/os-release'), { force: true })
  await symlink('../usr/lib/os-release', at('etc/os-release'))
  await put('usr/lib/os-release', 'NAME="Qubes OS"\nVERSION="4.2 (R4.2)"\nID=qubes\nVERSION_ID=4.2\n')
  await put('etc/systemd/journald.conf.d/lab.conf', '[Journal]\nStorage=persistent\nRateLimitBurst=0\n')
  await put(
    'etc/systemd/system.conf.d/lab.conf',
    '[Manager]\nDefaultTimeoutStartSec=300\nDefaultDeviceTimeoutSec=300\n',
  )
  await mkdir(at('var/log/journal'), { recursive: true })
  for (const folder of [
    'mnt/anti-evil-maid',
    'var/lib/anti-evil-maid',
    'var/lib/lab',
    'usr/lib/modules-load.d',
  ])
    await mkdir(at(folder), { recursive: true })
  await put(
    'etc/stage/grub.cfg.in',
    grubConfig({ uuid: '@UUID@', xenVersion: '@XEN_VERSION@', kernel: '@KERNEL@', sinit }),
  )
  await link(root, `${UNITS}/default.target`, '/lib/systemd/system/multi-user.target')
  for (const unit of MASKED) await link(root, `${UNITS}/${unit}`, '/dev/null')
  await link(
    root,
    `${UNITS}/getty.target.wants/serial-getty@hvc0.service`,
    '/lib/systemd/system/serial-getty@.service',
  )
  await put(
    `${UNITS}/serial-getty@.service.d/lab.conf`,
    '[Service]\nExecStart=\nExecStart=-/sbin/agetty -a root --noclear --keep-baud 115200 - $TERM\n',
  )
  await link(
    root,
    `${UNITS}/multi-user.target.wants/lab-agent.service`,
    '/usr/lib/systemd/system/lab-agent.service',
  )
  await link(
    root,
    `${UNITS}/multi-user.target.wants/xenstored.service`,
    '/usr/lib/systemd/system/xenstored.service',
  )
  const unit = '/usr/lib/systemd/system'
  await link(
    root,
    `${unit}/initrd.target.wants/anti-evil-maid-unseal.service`,
    '../anti-evil-maid-unseal.service',
  )
  await link(root, `${unit}/basic.target.wants/anti-evil-maid-seal.service`, '../anti-evil-maid-seal.service')
}

async function link(root: string, file: string, target: string): Promise<void> {
  const place = path.join(root, file)
  await mkdir(path.dirname(place), { recursive: true })
  await rm(place, { force: true })
  await symlink(target, place)
}
