import type { Flow } from '../src/flow/types.ts'
import { forwardDevice, refreshDevice, repairSlots } from './devices.ts'
import { postUpdate } from './post-update.ts'
import { rehearsal } from './rehearsal.ts'
import { resume } from './resume.ts'

/** What `aem-reseal devices ACT` does; each is a flow of its own. */
export const DEVICE_FLOWS = {
  'repair-slots': repairSlots,
  refresh: refreshDevice,
  'forward-seal': forwardDevice,
} as const satisfies Readonly<Record<string, Flow>>

/** Every flow, in the order of the documents. `plan`, the command line and docs/flows.md read them from here. */
export const FLOWS: readonly Flow[] = [postUpdate, resume, ...Object.values(DEVICE_FLOWS), rehearsal]
