import { DEVICE_NEEDS } from '../decide/device-need.ts'
import { type Findings, type KeptPrediction, SECRET_ANSWERS } from '../decide/facts.ts'
import * as z from '../form.ts'
import { VERDICTS } from '../launch/explain-types.ts'
import { COMMAND_LINE_RULES } from '../launch/module-digest.ts'
import { onFirstUse } from '../on-first-use.ts'
import { forwardRecordSchema } from '../seal/forward-record.ts'

/*
 * What a session keeps of answers that the program gave: held for later steps, which believe them, and for the report. They may
 * have further fields, since fields are added to the contract; those that any step reads are of the form it reads.
 */

const hexDigest = onFirstUse(() => z.string().check(z.regex(/^[0-9a-f]+$/)))
const rule = onFirstUse(() => z.enum(COMMAND_LINE_RULES))

const component = onFirstUse(() =>
  z.looseObject({
    role: z.string(),
    path: z.nullish(z.string()),
    commandLine: z.nullish(z.string()),
    digest: z.optional(hexDigest()),
    changed: z.optional(z.boolean()),
    package: z.nullish(z.looseObject({ name: z.string(), evr: z.string(), signer: z.nullish(z.string()) })),
  }),
)

const predictedRegister = onFirstUse(() =>
  z.looseObject({
    index: z.int().check(z.gte(0), z.lte(23)),
    bank: z.string(),
    now: z.nullish(hexDigest()),
    predicted: z.nullable(hexDigest()),
    reason: z.nullish(z.string()),
    code: z.nullish(z.string()),
    vouched: z.optional(z.boolean()),
    components: z.optional(z.array(component())),
  }),
)

/** The contract's `predict` answer; its type has what is read of it again. */
export const keptPredictionSchema = onFirstUse<z.Form<KeptPrediction | null>>(() =>
  z.nullable(
    z.looseObject({
      calibrated: z.boolean(),
      variant: z.nullish(z.looseObject({ map: z.string(), commandLine: rule() })),
      entry: z.nullish(z.looseObject({ title: z.string() })),
      refusal: z.nullish(z.looseObject({ code: z.string(), why: z.string() })),
      pcrs: z.array(predictedRegister()),
    }),
  ),
)

/** What came of making initramfs files again, in the facts of `predict` and of `explain`. */
const reproduced = onFirstUse(() => ({
  reproductions: z.optional(
    z.array(
      z.looseObject({
        image: z.string(),
        state: z.string(),
        sha256: z.optional(z.string()),
        fresh: z.nullish(z.looseObject({ path: z.string(), sha256: z.string() })),
      }),
    ),
  ),
  accepted: z.optional(
    z.array(z.looseObject({ kind: z.string(), path: z.string(), sha256: z.optional(z.string()) })),
  ),
}))

const prediction = onFirstUse(() =>
  z.looseObject({
    ...reproduced(),
    luksHeaderAccepted: z.nullish(z.boolean()),
    luksHeaderValue: z.nullish(hexDigest()),
  }),
)

const explainedRegister = onFirstUse(() =>
  z.looseObject({
    index: z.int(),
    bank: z.string(),
    now: z.nullish(hexDigest()),
    predicted: z.nullish(hexDigest()),
    change: z.optional(z.string()),
    causes: z.optional(
      z.array(z.looseObject({ package: z.nullish(z.looseObject({ name: z.string(), evr: z.string() })) })),
    ),
  }),
)

const explanation = onFirstUse(() =>
  z.looseObject({
    ...reproduced(),
    verdict: z.enum(VERDICTS),
    alreadyResealed: z.nullish(z.boolean()),
    pcrs: z.array(explainedRegister()),
    reasons: z.array(z.looseObject({ code: z.string(), what: z.string() })),
  }),
)

const deviceLeft = onFirstUse(() =>
  z.looseObject({
    label: z.string(),
    work: z.looseObject({
      state: z.literal('to-do'),
      needs: z.enum(DEVICE_NEEDS),
      why: z.string(),
      since: z.nullable(z.string()),
    }),
  }),
)

/** Facts by step; those that later steps read are of their form, all others are told in the report alone. */
export const keptFindingsSchema = onFirstUse<z.Form<Findings>>(() =>
  z.catchall(
    z.looseObject({
      predict: z.optional(prediction()),
      explain: z.optional(explanation()),
      'next-device': z.optional(z.looseObject({ work: z.optional(z.array(deviceLeft())) })),
      'ask-secret': z.optional(
        z.looseObject({ answer: z.nullish(z.enum(SECRET_ANSWERS)), bootId: z.nullish(z.string()) }),
      ),
      'confirm-secret': z.optional(z.looseObject({ unseal: z.nullish(z.string()) })),
      'forward-seal': z.optional(z.looseObject({ record: z.nullish(forwardRecordSchema()) })),
    }),
    z.json(),
  ),
)
