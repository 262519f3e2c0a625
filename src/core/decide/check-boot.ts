import type { Outcomes } from './outcomes.ts'

export type BootFacts = {
  /** Boot in which the last accepted state was recorded. */
  readonly recordedBootId: string | null
  readonly bootId: string | null
  readonly bootedWithAem: boolean | null
  readonly measured: boolean | null
  /** AEM seals to a register that a launch fills; left out: it does. */
  readonly isLaunchSealed?: boolean
  readonly runningBuildId: string | null
  /** Build id of the image that the update installed. */
  readonly expectedBuildId: string | null
  readonly deviceUuid: string | null
  readonly expectedDeviceUuid: string | null
}

/** Is this the boot that was planned for? */
export function decideBoot(facts: BootFacts): Outcomes['check-boot'] {
  if (facts.bootId === null || facts.recordedBootId === null) return 'unknown'
  if (facts.bootId === facts.recordedBootId) return 'same-boot'
  if (facts.bootedWithAem === false) return 'not-aem-boot'
  const needsLaunch = facts.isLaunchSealed !== false
  if (needsLaunch && facts.measured === false) return 'unmeasured'
  if (facts.bootedWithAem === null || (needsLaunch && facts.measured === null)) return 'unknown'
  if (facts.deviceUuid !== facts.expectedDeviceUuid) return 'other-device'
  if (facts.runningBuildId === null || facts.expectedBuildId === null) return 'unknown'
  return facts.runningBuildId === facts.expectedBuildId ? 'expected' : 'other-xen'
}
