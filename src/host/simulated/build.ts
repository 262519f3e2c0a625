/* Long: one machine, put together part by part. */

import { makeKernelImage, makeSinit, makeXenImage } from './boot-images.ts'
import { makeGrubConfiguration, makeGrubEnvironment } from './grub-files.ts'
import { initramfsOf, LOADED_MODULES, renderModulesDep } from './initramfs.ts'
import {
  bootFilesOf,
  sha256 as digest,
  KERNEL_RELEASE,
  LUKS_UUID,
  SELECTED_PCRS,
  type SimDevice,
  type SimFile,
  type SimMachine,
  type SimPackage,
  TPM_ID,
} from './model.ts'

/** The release and the bulletin of the rehearsals, and the day of that bulletin. */
const PLAYS = { release: '4.2.2', bulletin: 103 } as const
const START_MS = Date.parse('2024-07-16T18:00:00Z')
const MONTH_MS = 30 * 24 * 3600 * 1000
/** Qubes OS Release 4.2 Signing Key and Fedora (37), their last 16 digits (src/core/package/signers.ts). */
const QUBES_KEY = 'e022e58f8e34d89f'
const FEDORA_KEY = 'f55ad3fb5323552a'

export const OLD_XEN = '4.17.4-3'
export const NEW_XEN = '4.17.4-4'
export const XEN_IMAGE = 'xen-4.17.4.gz'

export type DeviceSpec = {
  readonly suffix: string
  readonly uuid: string
  readonly isInternal: boolean
  readonly slot: number
}

export const INTERNAL: DeviceSpec = {
  suffix: '',
  uuid: '6d2f1c8e-5b0a-4f0e-9a57-3f4c1f0a9d11',
  isInternal: true,
  slot: 0,
}
export const STICK: DeviceSpec = {
  suffix: '.stick',
  uuid: 'b1f7e0aa-91c2-4a0b-8d57-77c2f3a0c4d2',
  isInternal: false,
  // as AEM 4.2.0 gives it to every device
  slot: 0,
}

/** A dom0 of Qubes 4.2 before the update: old Xen on every device, nothing booted yet. */
export function buildMachine(devices: readonly DeviceSpec[], bootDevice: DeviceSpec): SimMachine {
  const machine: SimMachine = {
    plays: PLAYS,
    nowMs: START_MS,
    bootTimeMs: START_MS,
    bootCount: 0,
    packages: [],
    dom0: new Map(),
    devices: devices.map((spec) => ({ ...spec, isPresent: true, isReadOnly: false, files: new Map() })),
    bootDevice: bootDevice.uuid,
    menuChoice: null,
    launchWorks: true,
    isAemInstalled: true,
    sealWorks: true,
    sinit: makeSinit('built-in machine'),
    luksHeader: Buffer.from('LUKS header of the built-in machine'),
    pcrs: {},
    booted: null,
    launchLog: null,
    loadedModules: LOADED_MODULES,
    journal: [],
    seal: { startedAtUs: 0, exit: 0, conditionMet: false, isHeld: false },
    slots: new Map(),
    restartRequested: null,
  }
  installOthers(machine)
  writeConfiguration(machine, devices)
  installXen(machine, OLD_XEN, START_MS - MONTH_MS)
  for (const device of machine.devices) copyBootFiles(machine, device)
  return machine
}

/** Installs a release of Xen: RPM database and dom0's /boot; a stick keeps what it has. */
export function installXen(machine: SimMachine, release: string, atMs: number): void {
  const image = makeXenImage(release)
  const installed = machine.packages.find((item) => item.name === 'xen-hypervisor')
  machine.packages = machine.packages.filter((item) => item !== installed)
  machine.packages.push(
    makePackage('xen-hypervisor', `2001:${release}.fc37`, atMs, QUBES_KEY, { [XEN_IMAGE]: image }),
  )
  bootFilesOf(machine).set(XEN_IMAGE, { bytes: image, mtimeMs: atMs })
}

/**
 * Installs a further kernel: RPM database and dom0's /boot, where its scripts make an initramfs and a grub.cfg. A stick keeps
 * what it has. @param release as `uname -r` says it, of x86_64
 */
export function installKernel(machine: SimMachine, release: string, name = 'kernel'): void {
  const image = makeKernelImage(release)
  const evr = `1000:${release.replace(/\.x86_64$/, '')}`
  machine.packages.push(makePackage(name, evr, machine.nowMs, QUBES_KEY, { [`vmlinuz-${release}`]: image }))
  const boot = bootFilesOf(machine)
  const put = (file: string, bytes: Uint8Array): void => boot.set(file, { bytes, mtimeMs: machine.nowMs })
  put(`vmlinuz-${release}`, image)
  const modules = `/lib/modules/${release}/modules.dep`
  machine.dom0.set(modules, { bytes: Buffer.from(renderModulesDep()), mtimeMs: machine.nowMs })
  put(`initramfs-${release}.img`, initramfsOf(machine, release, WORDS.kernel))
  for (const device of machine.devices)
    if (device.isInternal) put('grub2/grub.cfg', Buffer.from(grubConfigOf(machine, device)))
}

/** Of what initramfs images are made with; see core/initramfs/words.ts. */
const WORDS = {
  kernel: ' -f\n',
  firmware: ` -f --kver '${KERNEL_RELEASE}'\n`,
  installer: ' --force\n',
} as const

/**
 * Installs another version of what an initramfs is made from. As on a real dom0 those of microcode and firmware call dracut for
 * dom0's own /boot, and a new dracut does not; a stick keeps what it has.
 */
export function installInitramfsInput(
  machine: SimMachine,
  name: 'dracut' | 'microcode_ctl' | 'linux-firmware',
  evr: string,
): void {
  const key = name === 'linux-firmware' ? FEDORA_KEY : QUBES_KEY
  machine.packages = machine.packages.filter((item) => item.name !== name)
  machine.packages.push(makePackage(name, evr, machine.nowMs, key, {}))
  if (name !== 'dracut') makeBootInitramfs(machine, WORDS.firmware)
}

/** dom0 makes the initramfs of its own /boot now. @param words those dracut is called with; by itself those of a kernel's update */
export function makeBootInitramfs(machine: SimMachine, words: string = WORDS.kernel): void {
  const bytes = initramfsOf(machine, KERNEL_RELEASE, words)
  bootFilesOf(machine).set(`initramfs-${KERNEL_RELEASE}.img`, { bytes, mtimeMs: machine.nowMs })
}

/** Brings a device's own copies up to date, as anti-evil-maid-install does. */
export function copyBootFiles(machine: SimMachine, device: SimDevice): void {
  const put = (name: string, bytes: Uint8Array): void => {
    device.files.set(`/${name}`, { bytes, mtimeMs: machine.nowMs })
  }
  const xen = bootFilesOf(machine).get(XEN_IMAGE)
  if (xen) put(XEN_IMAGE, xen.bytes)
  put('tboot.gz', Buffer.from('tboot of the built-in machine'))
  put(`vmlinuz-${KERNEL_RELEASE}`, makeKernelImage(KERNEL_RELEASE))
  put(
    `initramfs-${KERNEL_RELEASE}.img`,
    initramfsOf(machine, KERNEL_RELEASE, device.isInternal ? WORDS.kernel : WORDS.installer),
  )
  put('SINIT.BIN', machine.sinit)
  put('grub2/grub.cfg', Buffer.from(grubConfigOf(machine, device)))
  if (!device.files.has('/grub2/grubenv')) put('grub2/grubenv', Buffer.from(makeGrubEnvironment()))
}

/** grub.cfg of a device, as Qubes's scripts make it with the device at /boot: with each kernel that lies there. */
export function grubConfigOf({ dom0 }: SimMachine, device: SimDevice): string {
  const kernels = [...device.files.keys()].flatMap((path) => /^\/vmlinuz-(.+)$/.exec(path)?.[1] ?? [])
  kernels.sort((a, b) => b.localeCompare(a, 'en', { numeric: true }))
  return makeGrubConfiguration({
    xenName: XEN_IMAGE,
    kernelReleases: kernels.length > 0 ? kernels : [KERNEL_RELEASE],
    xenOptions: readXenOptions(Buffer.from(dom0.get('/etc/default/grub')?.bytes ?? []).toString()),
    aemUuid: device.uuid,
    luksUuid: LUKS_UUID,
  })
}

/** What the user set for Xen (qubes-grub2, 20_linux_xen; AEM's script takes the same); null: nothing. */
function readXenOptions(settings: string): string | null {
  return /^GRUB_CMDLINE_XEN_DEFAULT="([^"]*)"$/m.exec(settings)?.[1] ?? null
}

function writeConfiguration(machine: SimMachine, devices: readonly DeviceSpec[]): void {
  const put = (path: string, text: string): void => {
    machine.dom0.set(path, { bytes: Buffer.from(text), mtimeMs: START_MS - MONTH_MS })
  }
  put('/etc/qubes-release', `Qubes release ${PLAYS.release} (R4.2)\n`)
  put('/etc/anti-evil-maid.conf', `SEAL="${SELECTED_PCRS.map((index) => `--pcr ${index}`).join(' ')}"\n`)
  put('/etc/crypttab', `luks-${LUKS_UUID} UUID=${LUKS_UUID} none discard\n`)
  put('/usr/lib/dracut/dracut.conf.d/01-dist.conf', 'hostonly="yes"\nreproducible="yes"\n')
  put(`/lib/modules/${KERNEL_RELEASE}/modules.dep`, renderModulesDep())
  put('/etc/grub.d/19_linux_xen_tboot', '#! /bin/sh\n')
  put('/usr/lib/aem-reseal/aem-reseal.mjs', 'this program')
  for (const { suffix, slot } of devices) {
    put(`/var/lib/anti-evil-maid/aem${suffix}/tpm-freshness-slot`, `${slot}\n`)
    put(`/var/lib/anti-evil-maid/aem${suffix}/secret.txt`, 'the sentence that only you know\n')
  }
  put(`/var/lib/tpms/${TPM_ID}/system.data`, '')
  if (!devices.some((device) => device.isInternal)) {
    put(`/boot/vmlinuz-${KERNEL_RELEASE}`, makeKernelImage(KERNEL_RELEASE).toString())
    const bytes = initramfsOf(machine, KERNEL_RELEASE, WORDS.kernel)
    machine.dom0.set(`/boot/initramfs-${KERNEL_RELEASE}.img`, { bytes, mtimeMs: START_MS - MONTH_MS })
    put('/boot/tboot.gz', 'tboot of the built-in machine')
  }
}

function installOthers(machine: SimMachine): void {
  const at = START_MS - MONTH_MS
  const kernelFiles = { [`vmlinuz-${KERNEL_RELEASE}`]: makeKernelImage(KERNEL_RELEASE) }
  machine.packages.push(
    makePackage('kernel', '1000:6.6.36-1.qubes.fc37', at, QUBES_KEY, kernelFiles),
    makePackage('microcode_ctl', '2:2.1-57.qubes1.fc37', at, QUBES_KEY, {}),
    makePackage('linux-firmware', '0:20240610-1.fc37', at, FEDORA_KEY, {}),
    // Qubes's own, as QSB-098 asks for it.
    makePackage('dracut', '0:059-4.fc37', at, QUBES_KEY, {}),
    makePackage('anti-evil-maid', '0:4.2.0-1.fc37', at, QUBES_KEY, {}),
    makePackage('tboot', '1:1.10.5-2.fc37', at, FEDORA_KEY, {
      'tboot.gz': Buffer.from('tboot of the built-in machine'),
    }),
  )
}

function makePackage(
  name: string,
  evr: string,
  installedAtMs: number,
  keyId: string,
  bootFiles: Readonly<Record<string, Uint8Array>>,
): SimPackage {
  const files = Object.entries(bootFiles).map(([file, bytes]) => [`/boot/${file}`, digest(bytes)] as const)
  return { name, evr, installedAtMs, keyId, files: new Map(files) }
}

export type { SimFile }
