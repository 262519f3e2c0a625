import * as z from '../form.ts'
import { type Bank, constantOf, normalizeDigest, PCR } from '../launch/pcr.ts'
import { onFirstUse } from '../on-first-use.ts'

/** The part of the contract's `predict` answer that a forward seal needs (docs/contract.md). */
const predictionSchema = onFirstUse(() =>
  z.object({
    calibrated: z.nullable(z.boolean()),
    refusal: z.nullish(z.object({ code: z.string(), why: z.string() })),
    pcrs: z.array(
      z.object({
        index: z.int(),
        bank: z.string(),
        predicted: z.nullable(z.string()),
        reason: z.nullish(z.string()),
        vouched: z.optional(z.boolean()),
      }),
    ),
  }),
)

export type ForwardTarget =
  | { readonly values: Readonly<Record<number, string>> }
  | { readonly problems: readonly string[] }

/**
 * The register values to seal to: the predicted ones. Never a guess: a register without a prediction is a problem, PCR 13
 * too, whose prediction says that the LUKS headers were compared with what this boot measured.
 *
 * @param prediction the session's `predict` answer, as it was kept
 * @param present the selected bank's values of this boot, lower-case hex
 */
export function decideForwardTarget(
  prediction: unknown,
  selected: readonly number[] | null,
  bank: Bank | null,
  present: Readonly<Record<number, string>>,
): ForwardTarget {
  const parsed = predictionSchema().safeParse(prediction)
  if (!parsed.success) return { problems: ['the session holds no prediction'] }
  if (selected === null || selected.length === 0 || bank === null)
    return { problems: ['the PCR selection or the TPM is not known'] }
  const { calibrated, refusal, pcrs } = parsed.data
  const problems: string[] = []
  if (refusal) problems.push(`the prediction was refused: ${refusal.why}`)
  if (calibrated !== true) problems.push('the prediction does not reproduce the PCRs of this boot')
  const values: Record<number, string> = {}
  for (const index of selected) {
    const row = pcrs.find((pcr) => pcr.index === index && pcr.bank === bank)
    const foretold = row?.predicted ?? null
    const value = foretold === null ? null : normalizeDigest(bank, foretold)
    if (value === null) problems.push(`PCR ${index} is not predicted${row?.reason ? `: ${row.reason}` : ''}`)
    else if (row?.vouched !== true) problems.push(`PCR ${index} is predicted, and nothing vouches for it`)
    else if (index === PCR.luksHeaders && value !== present[index])
      problems.push(`PCR ${index} was predicted as another value than this boot has`)
    else if (constantOf(value) !== null)
      problems.push(`PCR ${index} would hold a public constant (never measured): it protects nothing`)
    else values[index] = value
  }
  return problems.length > 0 ? { problems } : { values }
}
