import { existsSync } from 'node:fs'
import { copyFile, mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { initramfsImage } from './boot-files.ts'
import { makeExt4 } from './disks.ts'
import { SINIT_NAME } from './dom0-image.ts'
import { grubConfig, XEN_OPTIONS } from './grub-config.ts'
import { deviceOf, dom0, type Machine } from './machine.ts'
import type { Holder } from './namespace.ts'
import { must } from './process.ts'
import { kernelName, type ReleaseDist } from './releases.ts'
import type { DeviceOptions, StageDevice } from './stage-types.ts'

/** Writes grub.cfg of a boot folder for the file system with this UUID, as grub2-mkconfig would. */
export async function writeGrubConfig(folder: string, bootUuid: string, luksUuid: string): Promise<void> {
  const names = await readdir(folder)
  const one = (pattern: RegExp): string => {
    // the newest, as version_find_latest picks it
    const name = names
      .filter((file) => pattern.test(file))
      .sort((a, b) => a.localeCompare(b, 'en', { numeric: true }))
      .at(-1)
    if (!name) throw new Error(`no boot file like ${pattern}`)
    return name
  }
  const xen = one(/^xen-[0-9.]+\.gz$/)
  const kernel = one(/^vmlinuz-/)
  const text = grubConfig({
    sinit: `/${SINIT_NAME}`,
    kernelName: kernel.slice('vmlinuz-'.length),
    xenVersion: xen.replace(/^xen-(.*)\.gz$/, '$1'),
    xenOptions: XEN_OPTIONS,
    bootUuid,
    luksUuid,
  })
  await mkdir(path.join(folder, 'grub2'), { recursive: true })
  await writeFile(path.join(folder, 'grub2/grub.cfg'), text)
  const environment = path.join(folder, 'grub2/grubenv')
  if (!existsSync(environment)) await writeFile(environment, '# GRUB Environment Block\n'.padEnd(1024, '#'))
}

/** What the stage's grub2-mkconfig fills in: the same text that the harness itself writes. */
export function grubTemplate(luksUuid: string): string {
  return grubConfig({
    sinit: `/${SINIT_NAME}`,
    kernelName: '@KERNEL@',
    xenVersion: '@XEN_VERSION@',
    xenOptions: XEN_OPTIONS,
    bootUuid: '@UUID@',
    luksUuid,
  })
}

/**
 * Makes an AEM device, or a boot partition without AEM when there are no options for one. An external device
 * gets an initramfs of its own, as anti-evil-maid-install has dracut make one.
 */
export async function makeBootDisk(
  holder: Holder,
  luksUuid: string,
  dist: ReleaseDist,
  device: DeviceOptions | null,
) {
  const suffix = device?.suffix ?? ''
  const folder = holder.outside('contents')
  await must(['cp', '-a', holder.outside('layer/boot'), folder])
  if (device?.external) {
    const initramfs = path.join(folder, `initramfs-${kernelName(dist)}.img`)
    await writeFile(initramfs, initramfsImage(`${kernelName(dist)} for aem${suffix}`))
  }
  if (device) await mkdir(path.join(folder, 'aem'))
  const disk = await makeExt4(holder, device ? `aem${suffix}` : 'boot', `${holder.folder}/contents`)
  await rm(folder, { recursive: true })
  await withMounted(holder, disk.name, 'edit', (mounted) => writeGrubConfig(mounted, disk.uuid, luksUuid))
  return disk
}

/** Mounts a disk of the stage where only the stage sees it, and hands over its folder as this process reaches it. */
export async function withMounted<T>(
  holder: Holder,
  name: string,
  place: 'edit' | 'probe',
  use: (folder: string) => Promise<T>,
): Promise<T> {
  const target = `${holder.folder}/${place}`
  const mode = place === 'probe' ? ['-o', 'ro'] : []
  await holder.must(['mount', '-t', 'ext4', ...mode, `/dev/${name}`, target])
  try {
    return await use(holder.outside(place))
  } finally {
    await holder.must(['umount', target])
  }
}

/** Gives the root of an AEM device: /boot of the running dom0 when it is that, else the device mounted aside. */
export async function withBootFiles<T>(
  machine: Machine,
  suffix: string | undefined,
  use: (folder: string) => Promise<T>,
) {
  const device = deviceOf(machine, suffix)
  if (machine.running && !device.external) return use(pathInDom0(machine, '/boot'))
  return withMounted(machine.holder, device.disk.name, 'edit', use)
}

export function pathInDom0(machine: Machine, file: string): string {
  return path.join(`/proc/${dom0(machine).namespace.pid}/root`, file)
}

/** Changes one file of a boot device. A change in place keeps owner and mode; a missing file is made. */
export async function replaceBootFile(
  machine: Machine,
  name: string,
  content: Buffer | string | ((old: Buffer) => Buffer | string),
  suffix?: string,
): Promise<void> {
  await withBootFiles(machine, suffix, async (folder) => {
    const file = path.join(folder, name)
    const next = typeof content === 'function' ? content(await readFile(file)) : content
    await writeFile(file, next)
  })
}

/** Copies what an update brought from dom0's /boot to an external device; its own initramfs stays. */
export async function refreshDevice(machine: Machine, suffix: string): Promise<void> {
  const device = deviceOf(machine, suffix)
  await withMounted(machine.holder, device.disk.name, 'edit', async (folder) => {
    const copyFrom = async (boot: string): Promise<void> => {
      for (const name of await readdir(boot)) {
        const source = path.join(boot, name)
        if (name.startsWith('initramfs-') || !(await stat(source)).isFile()) continue
        const target = path.join(folder, name)
        // An update writes what is new; the SINIT module is of no package, and keeps its date.
        if (existsSync(target) && (await readFile(target)).equals(await readFile(source))) continue
        await copyFile(source, target)
      }
    }
    if (machine.running) await copyFrom(pathInDom0(machine, '/boot'))
    else await withMounted(machine.holder, machine.bootDisk.name, 'probe', copyFrom)
    await writeGrubConfig(folder, device.disk.uuid, machine.luks.uuid)
  })
}

/**
 * What anti-evil-maid-install leaves in dom0 and on the devices: secret, freshness slot (0 for every device, a
 * defect of AEM 4.2.0), the folder of this TPM. Runs in a dom0 that has taken the TPM.
 */
export function enrolScript(devices: readonly StageDevice[]): string {
  const lines = devices.map((device) => {
    const state = `/var/lib/anti-evil-maid/${device.label}`
    const target = device.external ? '/mnt/anti-evil-maid' : '/boot'
    return [
      `mkdir -p '${state}'`,
      `printf '%s\\n' '${device.secret}' >'${state}/secret.txt'`,
      `echo 0 >'${state}/tpm-freshness-slot'`,
      device.external ? `mount '/dev/disk/by-uuid/${device.disk.uuid}' ${target}` : ':',
      `for id in /var/lib/tpms/*; do mkdir -p "${target}/aem/tpms/\${id##*/}"; [ ! -f "$id/system.data" ] || cp "$id/system.data" "${target}/aem/tpms/\${id##*/}/"; done`,
      device.external ? `umount ${target}` : ':',
    ].join('\n')
  })
  return `set -e\n${lines.join('\n')}\n`
}
