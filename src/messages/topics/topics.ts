import { ALARM } from './alarm.ts'
import type { Topic } from './block.ts'
import { DEVICES } from './devices.ts'
import { FORWARD_SEAL, HOLD, PLAIN } from './ways.ts'

/**
 * What `aem-reseal help TOPIC` prints, and what stands between the marks of the same names in docs/guide.md (`npm run docs`):
 * dom0 gets the program and no documents.
 */
export const TOPICS: readonly Topic[] = [ALARM, FORWARD_SEAL, HOLD, PLAIN, DEVICES]
