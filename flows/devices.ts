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
      on: {
        distinct: DONE,
        repair: 'repair-slots',
        kept: ATTENTION,
        'no-free-slot': ATTENTION,
        'first-slot-only': ATTENTION,
      },
    },
    'repair-slots': {
      title: 'Rewrite the freshness slots',
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
      observes: "the device's boot files, read again",
      does: 'copies boot files to the device, makes its initramfs and grub.cfg where needed',
      checkpoint: true,
      on: { refreshed: DONE, failed: ATTENTION },
    },
  },
} as const satisfies Flow

/** An initramfs that dom0 does not make is replaced by the one that it makes now. */
export const replaceStep = {
  title: 'Replace the initramfs',
  observes: 'the image that dom0 made, and its digest',
  asks: 'Put the initramfs that dom0 makes now in its place?',
  does: 'replaces the initramfs on the device, in one rename',
  checkpoint: true,
} as const

/** What this boot is worth: also the first step of `post-update` after AEM was found. */
export const checkGround = {
  title: 'Check what vouches for this boot',
  observes: "AEM's journal of this boot, the registers, the last approved state",
  asks: 'Did your own sentence appear in this boot? Go on although nothing vouches for it?',
} as const

/**
 * A device that was not booted from is sealed forward, for the state that was approved on another device and for what is
 * the device's own (with tboot PCR 19): its next boot shows the secret.
 */
export const forwardDevice = {
  id: 'forward-device',
  title: 'Seal another device forward',
  start: 'check-ground',
  steps: {
    'check-ground': {
      ...checkGround,
      on: { vouched: 'check-device', 'gone-on': 'check-device', 'boot-not-vouched': ATTENTION },
    },
    'check-device': {
      title: 'Look at the device',
      observes: 'its boot files, the approved state, the registers of this boot',
      on: { ready: 'predict', 'nothing-to-do': DONE, blocked: ATTENTION },
    },
    predict: {
      title: 'Predict its next boot',
      observes: "launch log of this boot, the device's GRUB entry and boot files",
      asks: 'Did you change this command line, these kernel modules, this LUKS header?',
      on: {
        complete: 'gate-forward-seal',
        partial: ATTENTION,
        refused: ATTENTION,
        unvouched: ATTENTION,
        'initramfs-differs': 'replace-initramfs',
        'not-aem-entry': ATTENTION,
        'sinit-changed': ATTENTION,
        'luks-header-changed': ATTENTION,
      },
    },
    'replace-initramfs': {
      ...replaceStep,
      on: { replaced: 'check-device', kept: ATTENTION, failed: ATTENTION },
    },
    'gate-forward-seal': {
      title: 'Check that a forward seal can be made',
      observes: 'device present, writable, with space; TPM ready; prediction as approved',
      on: { ready: 'forward-seal', blocked: ATTENTION },
    },
    'forward-seal': {
      title: 'Seal to the predicted PCRs',
      observes: 'the sealed files, after they were written',
      does: "seals the device's secrets to the predicted PCRs",
      checkpoint: true,
      leaves: 'record',
      on: { sealed: 'keep-forward', failed: ATTENTION },
    },
    'keep-forward': {
      title: 'Keep what was sealed',
      observes: 'the device ledger, after it was written',
      checkpoint: true,
      on: { kept: DONE },
    },
  },
} as const satisfies Flow
