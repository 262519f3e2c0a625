import * as z from 'zod'
import { COMMAND_LINE_RULES } from '../launch/module-digest.ts'
import { onFirstUse } from '../on-first-use.ts'
import { forwardRecordSchema } from '../seal/forward-record.ts'

/*
 * What a session keeps of answers that the program gave: held for later steps, which believe them, and for the report. They may
 * have further fields, since fields are added to the contract; those that any step reads are of the form it reads.
 */

const hexDigest = onFirstUse(() => z.string().regex(/^[0-9a-f]+$/))
const rule = onFirstUse(() => z.enum([...COMMAND_LINE_RULES] as [string, ...string[]]))

const component = onFirstUse(() =>
  z.looseObject({
    role: z.string(),
    path: z.string().nullish(),
    commandLine: z.string().nullish(),
    digest: hexDigest().optional(),
    changed: z.boolean().optional(),
    package: z.looseObject({ name: z.string(), evr: z.string(), signer: z.string().nullish() }).nullish(),
  }),
)

const predictedRegister = onFirstUse(() =>
  z.looseObject({
    index: z.number().int().min(0).max(23),
    bank: z.string(),
    now: hexDigest().nullish(),
    predicted: hexDigest().nullable(),
    reason: z.string().nullish(),
    code: z.string().nullish(),
    vouched: z.boolean().optional(),
    components: z.array(component()).optional(),
  }),
)

/** The contract's `predict` answer. Its type is nobody's: each reader parses what it needs. */
export const keptPredictionSchema = onFirstUse<z.ZodType<unknown>>(() =>
  z
    .looseObject({
      calibrated: z.boolean(),
      variant: z.looseObject({ map: z.string(), commandLine: rule() }).nullish(),
      entry: z.looseObject({ title: z.string() }).nullish(),
      refusal: z.looseObject({ code: z.string(), why: z.string() }).nullish(),
      pcrs: z.array(predictedRegister()),
    })
    .nullable(),
)

const explanation = onFirstUse(() =>
  z.looseObject({
    verdict: z.enum(['unchanged', 'explained', 'not-computable', 'unexplained', 'no-baseline']),
    pcrs: z.array(z.looseObject({ index: z.number().int(), bank: z.string() })),
    reasons: z.array(z.looseObject({ code: z.string(), what: z.string() })),
  }),
)

const deviceLeft = onFirstUse(() =>
  z.looseObject({
    label: z.string(),
    work: z.looseObject({
      state: z.literal('to-do'),
      needs: z.enum(['plug-in', 'refresh', 'forward-boot', 'own-boot', 'look']),
      why: z.string(),
      since: z.string().nullable(),
    }),
  }),
)

/** Facts by step; those that later steps read are of their form, all others are told in the report alone. */
export const keptFindingsSchema = onFirstUse<z.ZodType<Record<string, unknown>>>(() =>
  z
    .looseObject({
      explain: explanation().optional(),
      'next-device': z.looseObject({ work: z.array(deviceLeft()).optional() }).optional(),
      'forward-seal': z.looseObject({ record: forwardRecordSchema().nullish() }).optional(),
    })
    .catchall(z.json()),
)
