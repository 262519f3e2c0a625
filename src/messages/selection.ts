import type { SelectionLook } from '../core/aem/seal-selection.ts'
import { AEM_CONFIGURATION } from '../tables/paths.ts'

/** Why it is not known which PCRs AEM seals to, and where that stands; null where it is known. */
export function explainSelection(look: SelectionLook): string | null {
  switch (look.state) {
    case 'read':
      return null
    case 'absent':
      return `there is no ${AEM_CONFIGURATION}`
    case 'not-set':
      return `${AEM_CONFIGURATION} sets no SEAL`
    case 'unreadable':
      return `${AEM_CONFIGURATION} could not be read: ${look.reason}`
    case 'not-read':
      return `line ${look.line} of ${AEM_CONFIGURATION} says what only a shell can tell: ${look.reason}: ${look.text}`
  }
}

/** What makes the selection readable. */
export const SELECTION_NEXT = `have ${AEM_CONFIGURATION} set SEAL by plain assignments alone, as in SEAL="--pcr 13 --pcr 17 --pcr 18 --pcr 19" with the PCRs that you use`
