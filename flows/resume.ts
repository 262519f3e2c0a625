import { ATTENTION, DONE, type Flow, UNEXPLAINED, WAITING } from '../src/flow/types.ts'
import { repairSlots } from './devices.ts'

/** After the restart: nothing is sealed before every change is explained and accepted. */
export const resume = {
  id: 'resume',
  title: 'After the restart',
  start: 'check-boot',
  steps: {
    'check-boot': {
      title: 'Check this boot',
      observes: 'boot id, AEM entry, measured launch, running Xen, is the device there',
      asks: 'The device of this boot is not plugged in. Is it now?',
      on: {
        expected: 'ask-secret',
        'forward-unfinished': 'clear-forward',
        'same-boot': WAITING,
        'not-aem-boot': ATTENTION,
        unmeasured: ATTENTION,
        'other-xen': ATTENTION,
        'other-device': ATTENTION,
        'device-absent': ATTENTION,
        unknown: ATTENTION,
      },
    },
    'clear-forward': {
      title: 'Put away what a forward seal left half-written',
      observes: 'the sealed files in dom0 and on the device, by their digests',
      does: 'removes the new sealed files that never came into force',
      checkpoint: true,
      on: { cleared: 'ask-secret', failed: 'ask-secret' },
    },
    'ask-secret': {
      title: 'Did your own sentence appear?',
      observes: "what became of a forward seal, AEM's journal; where it did not appear, every change",
      asks: 'Did your secret appear before you typed the passphrase? (after a forward seal, and at the confirming boot)',
      on: {
        shown: 'read-seal-outcome',
        'not-asked': 'read-seal-outcome',
        'not-sure': 'read-seal-outcome',
        'not-shown': 'read-seal-outcome',
        'not-shown-alarm': UNEXPLAINED,
      },
    },
    'read-seal-outcome': {
      title: 'Read what AEM did in this boot',
      observes: 'result of the seal unit, sealed files, journal of this boot',
      on: {
        unsealed: 'explain',
        sealed: 'explain',
        held: 'explain',
        failed: 'explain',
        waiting: ATTENTION,
        'not-sealed': 'explain',
        unknown: 'explain',
      },
    },
    explain: {
      title: 'Explain every change',
      observes: 'PCRs before and now, boot files, packages, launch log',
      on: {
        unchanged: 'check-slots',
        explained: 'check-slots',
        'not-computable': 'check-slots',
        unexplained: UNEXPLAINED,
        'no-baseline': ATTENTION,
      },
    },
    'check-slots': {
      ...repairSlots.steps['check-slots'],
      on: {
        distinct: 'accept-change',
        repair: 'repair-slots',
        kept: 'accept-change',
        'no-free-slot': 'accept-change',
        'first-slot-only': 'accept-change',
      },
    },
    'repair-slots': {
      ...repairSlots.steps['repair-slots'],
      on: { repaired: 'accept-change', failed: ATTENTION },
    },
    'accept-change': {
      title: 'Decide on the reseal',
      observes: 'the explanation, what AEM sealed already',
      asks: 'Accept the explained change as the new good state?',
      on: {
        accepted: 'gate-reseal',
        'already-sealed': 'verify',
        'nothing-to-do': 'verify',
        declined: ATTENTION,
      },
    },
    'gate-reseal': {
      title: 'Check that a reseal can succeed',
      observes: 'device present, writable, with space; PCRs sane; AEM not waiting',
      on: { ready: 'reseal', blocked: ATTENTION },
    },
    reseal: {
      title: 'Reseal',
      observes: 'the sealed files, after the seal',
      does: "runs AEM's own seal",
      checkpoint: true,
      on: { sealed: 'verify', failed: ATTENTION },
    },
    verify: {
      title: 'Verify the sealed copies',
      observes: "the device's own sealed files, dom0's copy, the PCR selection",
      on: { verified: 'next-device', 'not-verified': 'next-device', failed: ATTENTION },
    },
    'next-device': {
      title: 'Look for further AEM devices',
      observes: 'the AEM devices and which of them still carry the old state',
      on: { 'none-left': 'confirm-secret', 'devices-left': 'confirm-secret', unknown: 'confirm-secret' },
    },
    'confirm-secret': {
      title: 'Confirm that the secret appears',
      observes: 'the unseal of this boot',
      asks: 'Did you see your secret before you typed the passphrase? (where it was not asked yet)',
      on: { shown: 'finish', 'next-boot': WAITING, 'not-shown': ATTENTION },
    },
    finish: {
      title: 'Close with a report',
      observes: 'the report, after it was written',
      does: 'writes the report and closes the session',
      checkpoint: true,
      closes: true,
      on: { finished: DONE, 'not-verified': ATTENTION, 'devices-left': WAITING },
    },
  },
} as const satisfies Flow
