import { ATTENTION, type Flow, WAITING } from '../src/flow/types.ts'
import { checkGround, refreshDevice, replaceStep } from './devices.ts'

/** From an installed update to the restart: nothing is changed before the evidence is complete. */
export const postUpdate = {
  id: 'post-update',
  title: 'After an update, before the restart',
  start: 'detect-aem',
  steps: {
    'detect-aem': {
      title: 'Look for Anti Evil Maid',
      observes: 'AEM package and configuration, TPM, PCRs, devices, this boot',
      on: {
        ready: 'check-ground',
        'not-installed': ATTENTION,
        'not-set-up': ATTENTION,
        'no-tpm': ATTENTION,
        'not-aem-boot': ATTENTION,
        unmeasured: ATTENTION,
        'bad-pcrs': ATTENTION,
        unknown: ATTENTION,
      },
    },
    'check-ground': {
      ...checkGround,
      on: { vouched: 'confirm-update', 'gone-on': 'confirm-update', 'boot-not-vouched': ATTENTION },
    },
    'confirm-update': {
      title: 'Confirm the update',
      observes: 'installed packages, their signatures and files, the bulletin, the running Xen',
      asks: 'Which bulletin is this update for? Is an older package wanted?',
      on: {
        confirmed: 'check-boot-device',
        'downgrade-wanted': 'check-boot-device',
        'files-changed': 'check-boot-device',
        downgrade: ATTENTION,
        'nothing-pending': ATTENTION,
        unmet: ATTENTION,
        'not-verified': ATTENTION,
        unknown: ATTENTION,
      },
    },
    'check-boot-device': {
      title: 'Check the device that boots next',
      observes: 'xen, kernel, initramfs and grub.cfg on the AEM device, against /boot and the RPM database',
      on: {
        current: 'record-baseline',
        stale: 'check-refresh',
        changed: ATTENTION,
        absent: ATTENTION,
        unknown: ATTENTION,
      },
    },
    'check-refresh': {
      ...refreshDevice.steps['check-refresh'],
      on: { current: ATTENTION, refresh: 'refresh-device', kept: ATTENTION, blocked: ATTENTION },
    },
    'refresh-device': {
      ...refreshDevice.steps['refresh-device'],
      on: { refreshed: 'check-boot-device', failed: ATTENTION },
    },
    'record-baseline': {
      title: 'Record what is measured now',
      observes: 'all PCRs, SEAL, command lines, digests of boot files and sealed files, launch log',
      on: { recorded: 'predict', incomplete: ATTENTION },
    },
    predict: {
      title: 'Predict the next boot',
      observes: 'launch log, GRUB entry, boot files; what vouches for each of them',
      asks: 'Did you change this command line, these kernel modules, this LUKS header?',
      on: {
        complete: 'choose-protection',
        partial: 'choose-protection',
        refused: 'choose-protection',
        unvouched: ATTENTION,
        'initramfs-differs': 'replace-initramfs',
        'not-aem-entry': ATTENTION,
        'sinit-changed': ATTENTION,
        'luks-header-changed': ATTENTION,
      },
    },
    'replace-initramfs': {
      ...replaceStep,
      on: { replaced: 'check-boot-device', kept: ATTENTION, failed: ATTENTION },
    },
    'choose-protection': {
      title: 'Choose how to go through the restart',
      observes: 'the prediction, the devices',
      asks: 'Forward seal, hold, or plain?',
      on: {
        'forward-seal': 'gate-forward-seal',
        hold: 'install-hold',
        plain: 'plan-restart',
        'not-available': ATTENTION,
      },
    },
    'gate-forward-seal': {
      title: 'Check that a forward seal can be made',
      observes: 'device present, writable, with space; TPM ready',
      on: { ready: 'forward-seal', blocked: ATTENTION },
    },
    'forward-seal': {
      title: 'Seal to the predicted PCRs',
      observes: 'the sealed files, after they were written',
      does: 'seals the secrets to the predicted PCRs',
      checkpoint: true,
      leaves: 'record',
      on: { sealed: 'plan-restart', failed: ATTENTION },
    },
    'install-hold': {
      title: "Hold AEM's automatic seal",
      observes: 'the drop-in, after it was written',
      does: 'installs a drop-in for anti-evil-maid-seal.service',
      checkpoint: true,
      on: { installed: 'plan-restart', failed: ATTENTION },
    },
    'plan-restart': {
      title: 'Plan the restart',
      observes: 'running qubes',
      asks: 'Restart now, later, or by hand?',
      on: { planned: 'checkpoint', declined: ATTENTION },
    },
    checkpoint: {
      title: 'Keep the state across the restart',
      observes: 'the session file, read again after it was written',
      checkpoint: true,
      on: { saved: 'check-prepared' },
    },
    'check-prepared': {
      title: 'Check that everything still fits',
      observes:
        'boot files, packages, SEAL, LUKS headers and sealed files, against those that were prepared for',
      asks: 'It no longer fits. Take it back and start over?',
      on: {
        fits: 'restart',
        'not-planned': 'plan-restart',
        'not-compared': WAITING,
        'forward-seal-outdated': ATTENTION,
        'prediction-outdated': ATTENTION,
        'begin-anew': 'take-back',
      },
    },
    'take-back': {
      title: 'Take back what was prepared',
      observes: 'the sealed files, by their digests',
      does: 'puts the old sealed files back, takes a scheduled restart back',
      checkpoint: true,
      on: { 'taken-back': 'detect-aem', failed: ATTENTION },
    },
    restart: {
      title: 'Restart dom0',
      observes: 'the answer of shutdown',
      does: 'restarts dom0, or schedules it',
      checkpoint: true,
      on: { requested: WAITING, 'by-hand': WAITING, failed: ATTENTION },
    },
  },
} as const satisfies Flow
