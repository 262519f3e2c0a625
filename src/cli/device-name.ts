import { parseAemLabel } from '../core/aem/devices.ts'
import { isSuffix } from '../tables/commands.ts'
import { makeFailure } from '../tables/failures.ts'

/** The suffix: both `.stick` and `aem.stick` name the device labelled aem.stick. @throws Failure (exit 2) */
export function toSuffix(device: string): string {
  const fromLabel = parseAemLabel(device)
  if (fromLabel !== null) return fromLabel
  if (isSuffix(device)) return device
  throw makeFailure('usage', {
    reason: `a device is named by the suffix of its AEM label, or by the label, not by ${device}`,
  })
}
