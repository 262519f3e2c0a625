import type { TpmLook } from '../aem/tpm.ts'
import { selectsLaunch } from '../launch/pcr.ts'
import type { Outcomes } from './outcomes.ts'

/** The facts that decide whether AEM can be worked with in this boot; null is "could not be determined". */
export type AemReadiness = {
  readonly installed: boolean | null
  readonly tpm: TpmLook
  readonly selectedPcrs: readonly number[] | null
  /** SEAL is there, or may be, in a form that is not read: nothing says that AEM is not set up. */
  readonly isSelectionUnread: boolean
  readonly deviceCount: number | null
  readonly bootedWithAem: boolean | null
  readonly measured: boolean | null
  readonly badPcrs: readonly number[]
}

/** The first thing that stands in the way, in the order in which a user fixes them. */
export function decideAemReadiness(facts: AemReadiness): Outcomes['detect-aem'] {
  if (facts.installed === null) return 'unknown'
  if (!facts.installed) return 'not-installed'
  if (facts.tpm === 'none') return 'no-tpm'
  if (facts.deviceCount === 0) return 'not-set-up'
  if (facts.selectedPcrs === null) return facts.isSelectionUnread ? 'unknown' : 'not-set-up'
  if (facts.bootedWithAem === false) return 'not-aem-boot'
  const needsLaunch = selectsLaunch(facts.selectedPcrs)
  if (needsLaunch && facts.measured === false) return 'unmeasured'
  if (facts.badPcrs.length > 0) return 'bad-pcrs'
  if (facts.deviceCount === null) return 'unknown'
  if (facts.tpm === null || facts.bootedWithAem === null) return 'unknown'
  if (needsLaunch && facts.measured === null) return 'unknown'
  return 'ready'
}
