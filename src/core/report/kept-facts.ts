import * as z from 'zod'
import { APPROVALS } from '../bulletin/given-bulletin.ts'
import { COMPONENTS, SIGNATURE_STATES } from '../decide/confirm-update.ts'
import { onFirstUse } from '../on-first-use.ts'
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
    changedSinceBoot: z.boolean().nullable(),
    signer: z.string().nullable(),
    signature: z.enum(SIGNATURE_STATES).nullable(),
    keyId: z.string().nullable().default(null),
    changedFiles: z.array(z.string()).nullable(),
  }),
)

export type ReportedPackage = z.infer<ReturnType<typeof signedPackage>>

const update = onFirstUse(() =>
  z.object({
    packages: z.array(signedPackage()),
    bulletin: z.object({ id: z.number().int(), date: z.string(), met: z.boolean().nullable() }).nullable(),
    given: z
      .object({ id: z.number().int(), approval: z.enum(APPROVALS), file: z.string().nullable() })
      .nullish(),
  }),
)

const component = onFirstUse(() =>
  z.object({
    role: z.string(),
    path: z.string().nullish(),
    commandLine: z.string().nullish(),
    changed: z.boolean().nullish(),
    vouchedBy: z.object({ rule: z.string().nullable(), why: z.string() }).nullish(),
  }),
)

export type ReportedComponent = z.infer<ReturnType<typeof component>>

const prediction = onFirstUse(() =>
  z.object({ pcrs: z.array(z.object({ components: z.array(component()).default([]) })) }),
)

const verification = onFirstUse(() =>
  z.object({
    devices: z.array(
      z.object({
        device: z.string(),
        ok: z.boolean().nullable(),
        checks: z.array(z.object({ id: z.string(), ok: z.boolean().nullable(), detail: z.string() })),
      }),
    ),
  }),
)

const place = onFirstUse(() => z.object({ device: z.string().nullable(), uuid: z.string().nullable() }))
const machine = onFirstUse(() => z.object({ tpm: z.string().nullable(), flavour: z.string().nullable() }))
const ground = onFirstUse(() => z.object({ state: z.string(), goesOn: z.boolean().optional() }))
const explanation = onFirstUse(() => z.object({ verdict: z.string() }))
const headers = onFirstUse(() => z.object({ luksHeaderAccepted: z.boolean().nullable() }))
const question = onFirstUse(() => z.object({ asked: z.boolean() }))

/** Facts of a session's steps, each null where there are none of the form that is known. */
export function readKeptFacts({ findings, prediction: predicted }: Session) {
  const read = <T>(schema: z.ZodType<T>, value: unknown): T | null => schema.safeParse(value).data ?? null
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
