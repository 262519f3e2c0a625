import type { Disk } from './disks.ts'
import type { Holder, Namespace } from './namespace.ts'
import type { ReleaseDist } from './releases.ts'
import type { Boot, StageDevice, StageOptions } from './stage-types.ts'
import type { Tpm } from './tpm.ts'

/** What the parts of a stage share. */
export interface Machine {
  holder: Holder
  tpm: Tpm
  dist: ReleaseDist
  options: StageOptions
  devices: StageDevice[]
  /** dom0's /boot: the internal AEM device, or a partition of its own. */
  bootDisk: Disk
  luks: Disk
  noAem: boolean
  /** The dom0 that runs; null when power is off. */
  running: { namespace: Namespace; boot: Boot } | null
  lastBootSeconds: number
}

/** What a program of dom0 finds around it, unless a test says otherwise. */
export const ENVIRONMENT = { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', HOME: '/root', LC_ALL: 'C', TZ: 'UTC' }

export function deviceOf(machine: Machine, suffix?: string): StageDevice {
  const device =
    suffix === undefined ? machine.devices[0] : machine.devices.find((one) => one.suffix === suffix)
  if (!device) throw new Error(`the stage has no AEM device with suffix "${suffix}"`)
  return device
}

export function dom0(machine: Machine): { namespace: Namespace; boot: Boot } {
  if (!machine.running) throw new Error('the stage is switched off')
  return machine.running
}
