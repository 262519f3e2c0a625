import type { Cause, ExplanationInput, Reason } from './explain-types.ts'
import { PCR } from './pcr.ts'

/* What the prediction from before the restart says of a register that changed. */

/** What booted is what was predicted, of the packages of then: another one may lie there since. */
export function asPredicted(
  { prediction, bank }: ExplanationInput,
  index: number,
  causes: readonly Cause[],
): Cause[] {
  const register = prediction?.find((one) => one.index === index && one.bank === bank)
  return causes.map((cause) => {
    const before = register?.components?.find(({ role, path }) => role === cause.role && path === cause.path)
    const owner = before?.package
    if (!owner || cause.package?.name !== owner.name || cause.package.evr === owner.evr) return cause
    return {
      ...cause,
      package: { ...cause.package, evr: owner.evr, signer: owner.signer ?? null, installTime: null },
      bulletin: null,
    }
  })
}

export function differsFromPrediction(index: number, predicted: string | null): Reason[] {
  if (predicted === null) return []
  const what = `PCR ${index} is not what was predicted before the restart`
  const next =
    index === PCR.luksHeaders
      ? 'a LUKS header may have changed after the prediction; look at it with: cryptsetup luksDump'
      : 'see the causes of this register; the boot device changed after the prediction'
  return [{ code: 'differs-from-prediction', pcr: index, what, next, isBlocking: false }]
}
