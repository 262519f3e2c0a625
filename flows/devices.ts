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
      title: 'Write the freshness slots anew',
      observes: 'the slot files, after they were written',
      does: 'writes tpm-freshness-slot of a device',
      checkpoint: true,
      on: { repaired: DONE, failed: ATTENTION },
    },
  },
} as const satisfies Flow
