import type { Host } from '../../host/host.ts'
import type { ForwardPlan } from './forward-plan.ts'
import { makeTpm2Set } from './make-set-tpm2.ts'
import type { SealedSet } from './switch.ts'

/** The sealed files for the predicted registers, as this TPM's AEM reads them. @throws Failure */
export async function makeForwardSet(host: Host, plan: ForwardPlan): Promise<SealedSet> {
  return makeTpm2Set(host, plan)
}
