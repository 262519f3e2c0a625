import type { Host } from '../../host/host.ts'
import type { SealedSet } from './exchange.ts'
import { makeTpm2Set } from './make-set-tpm2.ts'
import { makeTpm12Set } from './make-set-tpm12.ts'
import type { ForwardPlan } from './plan.ts'

/** The sealed files for the predicted registers, as this TPM's AEM reads them. @throws Failure */
export async function makeForwardSet(host: Host, plan: ForwardPlan): Promise<SealedSet> {
  return plan.tpmVersion === '2.0' ? makeTpm2Set(host, plan) : makeTpm12Set(host, plan)
}
