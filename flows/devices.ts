import { ATTENTION, DONE, type Flow } from '../src/flow/types.ts'

/** Two devices with the same freshness slot get one each; also part of `resume`, before anything is sealed. */
export const repairSlots = {
  id: 'repair-slots',
  title: 'Repair equal freshness slots',
  start: 'check-slots',
  steps: {
    'check-slots': {
      title: 'Look at the freshness slots',
      observes: 'tpm-freshness-slot of every AEM device, the slots of the TPM',
      asks: 'Give the device a freshness slot of its own?',
      on: { distinct: DONE, repair: 'repair-slots', kept: ATTENTION, 'no-free-slot': ATTENTION },
    },
    'repair-slots': {
      title: 'Write the freshness slots anew',
      observes: 'the slot files, after they were written',
      does: 'writes tpm-freshness-slot of a device',
      checkpoint: true,
      on: { repaired: DONE, failed: ATTENTION },
    },
  },
} as const satisfies Flow

/** A device gets the boot files of the installed packages; also part of `post-update`, for the device that boots next. */
export const refreshDevice = {
  id: 'refresh-device',
  title: "Bring a device's boot files up to date",
  start: 'check-refresh',
  steps: {
    'check-refresh': {
      title: 'Look at what the device lacks',
      observes: "boot files of the device, of dom0's /boot and in the RPM database; space, signatures",
      asks: 'Bring the device up to date now?',
      on: { current: DONE, refresh: 'refresh-device', kept: ATTENTION, blocked: ATTENTION },
    },
    'refresh-device': {
      title: 'Bring the device up to date',
      observes: "the device's boot files, read from its disk again",
      does: 'copies boot files to the device, makes its initramfs and grub.cfg where needed',
      checkpoint: true,
      on: { refreshed: DONE, failed: ATTENTION },
    },
  },
} as const satisfies Flow
