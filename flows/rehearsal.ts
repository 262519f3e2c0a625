import { ATTENTION, DONE, type Flow, UNEXPLAINED, WAITING } from '../src/flow/types.ts'
import { postUpdate } from './post-update.ts'
import { resume } from './resume.ts'

/** Both flows in one run, with the restart simulated; it ends where the real ones would. */
export const rehearsal = {
  id: 'rehearsal',
  title: 'Rehearsal: the whole job with a simulated restart',
  start: 'detect-aem',
  steps: {
    ...postUpdate.steps,
    restart: {
      ...postUpdate.steps.restart,
      on: { requested: 'simulate-restart', 'by-hand': 'simulate-restart', failed: ATTENTION },
    },
    'simulate-restart': {
      title: 'Simulate the restart',
      observes: 'nothing: the built-in machine measures its boot device',
      on: { restarted: 'check-boot' },
    },
    ...resume.steps,
    'confirm-secret': {
      ...resume.steps['confirm-secret'],
      on: { shown: 'finish', 'next-boot': 'simulate-restart', 'not-shown': ATTENTION },
    },
    explain: {
      ...resume.steps.explain,
      on: { ...resume.steps.explain.on, unexplained: UNEXPLAINED },
    },
    finish: {
      ...resume.steps.finish,
      on: { finished: DONE, 'not-verified': ATTENTION, 'devices-left': WAITING },
    },
  },
} as const satisfies Flow
