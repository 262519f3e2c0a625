import type { ExplainedRegister } from '../core/decide/facts.ts'
import { withoutEpoch } from '../core/package/evr.ts'

/** Which registers changed, and by which packages: `PCR 18 by xen-hypervisor 4.17.4-4.fc37`. */
export function explainedWords(pcrs: readonly ExplainedRegister[]): string {
  return pcrs
    .filter(({ change }) => change === 'expected')
    .map(({ index, causes }) => `PCR ${index}${byPackages(causes)}`)
    .join('; ')
}

function byPackages(causes: ExplainedRegister['causes']): string {
  const names = (causes ?? []).flatMap(({ package: owner }) =>
    owner ? [`${owner.name} ${withoutEpoch(owner.evr)}`] : [],
  )
  return names.length === 0 ? '' : ` by ${[...new Set(names)].join(', ')}`
}
