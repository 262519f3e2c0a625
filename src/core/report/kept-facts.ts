import { APPROVALS } from '../bulletin/given-bulletin.ts'
import { COMPONENTS } from '../decide/confirm-update.ts'
import * as z from '../form.ts'
import { onFirstUse } from '../on-first-use.ts'
import { SIGNATURE_STATES } from '../package/signers.ts'
import type { Session } from '../session/checkpoint.ts'

/*
 * What the report reads of the facts that steps left in the session. Steps may change their facts: what is not of this
 * form is null, and the report says "not recorded".
 */

const signedPackage = onFirstUse(() =>
  z.object({
    name: z.string(),
    component: z.enum(COMPONENTS),
    evr: z.string(),
    changedSinceBoot: z.nullable(z.boolean()),
    signer: z.nullable(z.string()),
    signature: z.nullable(z.enum(SIGNATURE_STATES)),
    keyId: z._default(z.nullable(z.string()), null),
    changedFiles: z.nullable(z.array(z.string())),
  }),
)

export type ReportedPackage = z.infer<ReturnType<typeof signedPackage>>

const update = onFirstUse(() =>
  z.object({
    packages: z.array(signedPackage()),
    bulletin: z.nullable(z.object({ id: z.int(), date: z.string(), met: z.nullable(z.boolean()) })),
    given: z.nullish(z.object({ id: z.int(), approval: z.enum(APPROVALS), file: z.nullable(z.string()) })),
  }),
)

const component = onFirstUse(() =>
  z.object({
    role: z.string(),
    path: z.nullish(z.string()),
    commandLine: z.nullish(z.string()),
    changed: z.nullish(z.boolean()),
    vouchedBy: z.nullish(z.object({ rule: z.nullable(z.string()), why: z.string() })),
  }),
)

export type ReportedComponent = z.infer<ReturnType<typeof component>>

const prediction = onFirstUse(() =>
  z.object({ pcrs: z.array(z.object({ components: z._default(z.array(component()), []) })) }),
)

const verification = onFirstUse(() =>
  z.object({
    devices: z.array(
      z.object({
        device: z.string(),
        ok: z.nullable(z.boolean()),
        checks: z.array(z.object({ id: z.string(), ok: z.nullable(z.boolean()), detail: z.string() })),
      }),
    ),
  }),
)

const place = onFirstUse(() => z.object({ device: z.nullable(z.string()), uuid: z.nullable(z.string()) }))
const machine = onFirstUse(() => z.object({ tpm: z.nullable(z.string()), flavour: z.nullable(z.string()) }))
const ground = onFirstUse(() => z.object({ state: z.string(), goesOn: z.optional(z.boolean()) }))
const explanation = onFirstUse(() => z.object({ verdict: z.string() }))
const headers = onFirstUse(() => z.object({ luksHeaderAccepted: z.nullable(z.boolean()) }))
const question = onFirstUse(() => z.object({ asked: z.boolean() }))

/** Facts of a session's steps, each null where there are none of the form that is known. */
export function readKeptFacts({ findings, prediction: predicted }: Session) {
  const read = <T>(schema: z.Form<T>, value: unknown): T | null => schema.safeParse(value).data ?? null
  return {
    update: read(update(), findings['confirm-update']),
    components: read(prediction(), predicted)?.pcrs.flatMap((pcr) => pcr.components) ?? null,
    verification: read(verification(), findings.verify),
    place: read(place(), findings['check-boot-device']),
    machine: read(machine(), findings['detect-aem']),
    ground: read(ground(), findings['check-ground']),
    explanation: read(explanation(), findings.explain),
    isHeaderAccepted: read(headers(), findings.predict)?.luksHeaderAccepted ?? null,
    wasAcceptanceAsked: read(question(), findings['accept-change'])?.asked ?? null,
  }
}

export type KeptFacts = ReturnType<typeof readKeptFacts>
