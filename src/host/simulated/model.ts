import { createHash } from 'node:crypto'
import type { PcrBanks } from '../../core/launch/pcr.ts'
import type { MenuChoice } from './grub/boot.ts'
import type { Booted } from './grub/hand-over.ts'

/*
 * The built-in machine: a small model of a dom0 with AEM, with everything the program looks at and nothing else. It
 * knows no scenario: what differs between rehearsals are its files, devices and switches.
 */

export type SimFile = { readonly bytes: Uint8Array; readonly mtimeMs: number }

export type SimDevice = {
  readonly suffix: string
  readonly uuid: string
  /** Mounted at /boot (internal), or a stick that is not mounted. */
  readonly isInternal: boolean
  isPresent: boolean
  isReadOnly: boolean
  /** Keyed by the path on the device, e.g. /xen-4.17.4.gz, /aem/tpms/<id>/aem/key.pub. */
  readonly files: Map<string, SimFile>
}

export type SimPackage = {
  readonly name: string
  readonly evr: string
  readonly installedAtMs: number
  readonly keyId: string
  /** SHA-256 by absolute path, as the RPM database has them. */
  readonly files: ReadonlyMap<string, string>
}

export type SimMachine = {
  /** What it plays: a release of Qubes OS, on the day when this bulletin was the newest. */
  readonly plays: { readonly release: string; readonly bulletin: number }
  nowMs: number
  bootTimeMs: number
  bootCount: number
  packages: SimPackage[]
  /** dom0's own files by absolute path; /boot is in the internal device where there is one. */
  readonly dom0: Map<string, SimFile>
  readonly devices: SimDevice[]
  /** UUID of the device that boots. */
  bootDevice: string
  /** What the user takes in GRUB's menu: titles from the outermost menu inwards; null leaves it to the default. */
  menuChoice: MenuChoice
  /** Does TXT launch? */
  launchWorks: boolean
  isAemInstalled: boolean
  /** Does AEM's seal come to its end? */
  sealWorks: boolean
  /** The firmware's own SINIT, for a boot whose entry loads none. */
  sinit: Uint8Array
  luksHeader: Uint8Array
  pcrs: PcrBanks
  /** What the last boot started, or null before the first. */
  booted: Booted | null
  launchLog: string | null
  /** Kernel modules in use, which dracut takes along. */
  loadedModules: readonly string[]
  journal: string[]
  seal: { startedAtUs: number; exit: number; conditionMet: boolean; isHeld: boolean }
  /** SHA-256 of the freshness token of each NV slot. */
  readonly slots: Map<number, string>
  restartRequested: readonly string[] | null
}

export const TPM_ID = createHash('sha1').update('the TPM of the built-in machine').digest('hex')
/** 8 slots of a sha256 each (anti-evil-maid-lib, TPM_FRESHNESS_SLOTS). */
export const FRESHNESS_BYTES = 8 * 32
/** What AEM ships for tboot as SEAL. */
export const SELECTED_PCRS = [13, 17, 18, 19] as const
const AEM_CONFIGURATION = '/etc/anti-evil-maid.conf'
export const KERNEL_RELEASE = '6.6.36-1.qubes.fc37.x86_64'
/** The entry without AEM, as a user takes it in the menu. */
export const PLAIN_ENTRY = ['Qubes, with Xen hypervisor'] as const
export const LUKS_UUID = '0c6a3b14-9df2-4a35-8e0a-7a1f0f9c5b21'

/** The registers that AEM seals to: `--pcr` of SEAL in its configuration, as dom0 and its initramfs have it. */
export function selectedPcrsOf({ dom0 }: SimMachine): readonly number[] {
  const text = Buffer.from(dom0.get(AEM_CONFIGURATION)?.bytes ?? []).toString('utf8')
  return [...text.matchAll(/--pcr (\d+)/g)].map(([, index]) => Number(index))
}

export function sha256(bytes: Uint8Array | string): string {
  return createHash('sha256').update(bytes).digest('hex')
}

export function findDevice(machine: SimMachine, uuid: string): SimDevice | undefined {
  return machine.devices.find((device) => device.uuid === uuid)
}

/** Where /boot lives: on the internal AEM device, or in dom0. */
export function bootFilesOf(machine: SimMachine): {
  get(name: string): SimFile | undefined
  set(name: string, file: SimFile): void
  names(): string[]
} {
  const internal = machine.devices.find((device) => device.isInternal)
  const [files, prefix] = internal ? [internal.files, ''] : [machine.dom0, '/boot']
  return {
    get: (name) => files.get(`${prefix}/${name}`),
    set: (name, file) => void files.set(`${prefix}/${name}`, file),
    names: () =>
      [...files.keys()]
        .filter((path) => path.startsWith(`${prefix}/`))
        .map((path) => path.slice(prefix.length + 1)),
  }
}
