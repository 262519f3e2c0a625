import * as z from '../form.ts'
import { onFirstUse } from '../on-first-use.ts'
import type { Session } from '../session/checkpoint.ts'

/** One register and the value it must have at the next boot; null: nothing says what it will be. */
export type ExpectedRegister = { readonly index: number; readonly value: string | null }

/** What is read of the contract's `predict` answer (docs/contract.md); the rest of it is not needed here. */
const predictionSchema = onFirstUse(() =>
  z.object({
    calibrated: z.boolean(),
    refusal: z.unknown(),
    pcrs: z.array(
      z.object({
        index: z.int(),
        bank: z.string(),
        predicted: z.nullable(z.string().check(z.regex(/^[0-9a-f]+$/))),
        vouched: z.optional(z.boolean()),
      }),
    ),
  }),
)

/**
 * The state that the user went into the restart with: each selected register with its predicted value. A register
 * that the prediction does not speak of, and that the update does not touch, keeps the value of the baseline; one
 * that it speaks of without a value, or that nothing vouches for, has none.
 *
 * @returns null when the session has no baseline or no calibrated prediction
 */
export function listExpectedRegisters(
  session: Pick<Session, 'baseline' | 'expectation' | 'prediction'>,
): readonly ExpectedRegister[] | null {
  const { baseline, expectation } = session
  const parsed = predictionSchema().safeParse(session.prediction)
  if (baseline === null || !parsed.success) return null
  const { calibrated, refusal, pcrs } = parsed.data
  if (!calibrated || (refusal !== null && refusal !== undefined)) return null
  return baseline.selectedPcrs.map((index) => {
    const found = pcrs.filter((pcr) => pcr.index === index && pcr.bank === baseline.bank)
    if (found.length > 0) {
      const isVouched = found.length === 1 && found[0]?.vouched === true
      return { index, value: isVouched ? (found[0]?.predicted ?? null) : null }
    }
    // Without the confirmed update nothing says which registers stay.
    const mayChange = expectation === null || expectation.mayChange.includes(index)
    return { index, value: mayChange ? null : (baseline.pcrs[baseline.bank]?.[index] ?? null) }
  })
}

/** What a kept `predict` answer foretells in a bank, by register; empty where it is none. */
export function listPredictedValues(prediction: unknown, bank: string): Record<number, string | null> {
  const parsed = predictionSchema().safeParse(prediction)
  const rows = parsed.success ? parsed.data.pcrs.filter((pcr) => pcr.bank === bank) : []
  return Object.fromEntries(rows.map(({ index, predicted }) => [index, predicted]))
}

const reasonSchema = onFirstUse(() =>
  z.object({
    refusal: z.nullish(z.object({ why: z.string() })),
    pcrs: z.array(
      z.object({ index: z.int(), predicted: z.nullable(z.string()), reason: z.nullish(z.string()) }),
    ),
  }),
)

/** Why a kept `predict` answer leaves something open: its refusal, else its first register without a value. */
export function explainUnpredicted(prediction: unknown): string | null {
  const parsed = reasonSchema().safeParse(prediction)
  if (!parsed.success) return null
  const { refusal, pcrs } = parsed.data
  if (refusal) return refusal.why
  const open = pcrs.find(({ predicted, reason }) => predicted === null && reason)
  return open ? `PCR ${open.index}: ${open.reason}` : null
}

/** Is every selected register known beforehand? */
export function isStateExpected(registers: readonly ExpectedRegister[] | null): boolean {
  return registers !== null && registers.length > 0 && registers.every(({ value }) => value !== null)
}
