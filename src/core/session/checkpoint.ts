/* Long: one schema, with the type and the beginnings that follow from it. */

import { SEAL_BANKS } from '../aem/tpm.ts'
import { BOOT_FILE_ROLES } from '../decide/boot-device.ts'
import { PROTECTIONS } from '../decide/protection.ts'
import * as z from '../form.ts'
import { onFirstUse } from '../on-first-use.ts'
import { componentSchema } from './approved-boot.ts'
import { keptFindingsSchema, keptPredictionSchema } from './kept-answers.ts'
import { COPIES, preparedSchema } from './prepared.ts'
import { type FileProblem, parseVersionedFile } from './versioned-file.ts'

/** Raised with every change that an older program could misread. */
export const SESSION_VERSION = 1
export const SESSION_FORMAT = 'aem-reseal session'
/** Flows a session can be about. */
export const FLOW_IDS = [
  'post-update',
  'resume',
  'rehearsal',
  'repair-slots',
  'refresh-device',
  'forward-device',
] as const

const hexDigest = onFirstUse(() => z.string().check(z.regex(/^[0-9a-f]+$/)))
const pcrValues = onFirstUse(() => z.record(z.string().check(z.regex(/^[0-9]{1,2}$/)), hexDigest()))

const digests = onFirstUse(() =>
  z.object({
    sha1: hexDigest(),
    sha256: hexDigest(),
    sizeBytes: z.number(),
    gunzipped: z.optional(z.object({ sha1: hexDigest(), sha256: hexDigest() })),
    buildId: z.optional(hexDigest()),
  }),
)

const bootFile = onFirstUse(() =>
  z.object({
    path: z.string(),
    role: z.enum(BOOT_FILE_ROLES),
    digests: z.nullable(digests()),
  }),
)

const installedPackage = onFirstUse(() =>
  z.object({
    name: z.string(),
    evr: z.string(),
    arch: z.string(),
    installedAt: z.string(),
    signatureKeyId: z.nullable(z.string()),
  }),
)

export const baselineSchema = onFirstUse(() =>
  z.object({
    takenAt: z.iso.datetime(),
    bootId: z.nullable(z.string()),
    bootTime: z._default(z.nullable(z.string()), null),
    bank: z.enum(SEAL_BANKS),
    selectedPcrs: z.array(z.int().check(z.gte(0), z.lte(23))).check(z.minLength(1)),
    pcrs: z.object({ sha1: z.optional(pcrValues()), sha256: z.optional(pcrValues()) }),
    kernelCommandLine: z.nullable(z.string()),
    xenCommandLine: z.nullable(z.string()),
    runningXen: z.object({ version: z.nullable(z.string()), buildId: z.nullable(hexDigest()) }),
    /** What the device that boots next carries, at the time the update was confirmed. */
    bootFiles: z.array(bootFile()),
    /** Files beside grub.cfg that it reads, SHA-256; null: it could not be read; left out: an older program looked at none. */
    grubFiles: z.optional(z.array(z.object({ path: z.string(), sha256: z.nullable(hexDigest()) }))),
    packages: z.array(installedPackage()),
    sealedFiles: z.array(
      z.object({
        label: z.string(),
        name: z.string(),
        copy: z.enum(COPIES),
        sha256: z.nullable(hexDigest()),
      }),
    ),
    launchLog: z.nullable(z.string()),
    /** What this boot measured, one extend after the other; null without a readable log. */
    components: z.nullable(z.array(componentSchema())),
  }),
)

export type Baseline = z.infer<ReturnType<typeof baselineSchema>>

const expectation = onFirstUse(() =>
  z.object({
    /** Bulletin ids that asked for the update. */
    bulletins: z.array(z.int()),
    /** Registers those bulletins name. */
    bulletinPcrs: z.array(z.int()),
    /** Registers that the update may change; every other selected one must stay. */
    mayChange: z.array(z.int()),
    /** Names of the packages that changed since the boot before. */
    changedPackages: z.array(z.string()),
    /** Older packages than before that a person said are wanted. */
    downgrades: z.array(z.object({ name: z.string(), from: z.string(), to: z.string() })),
    xenBuildId: z.nullable(hexDigest()),
    deviceUuid: z.nullable(z.string()),
    /** Label of the AEM device that the boot came from in which `start` ran. */
    deviceLabel: z.optional(z.nullable(z.string())),
  }),
)

export const sessionSchema = onFirstUse(() =>
  z.object({
    format: z.literal(SESSION_FORMAT),
    version: z.literal(SESSION_VERSION),
    id: z.uuid(),
    since: z.iso.datetime(),
    updatedAt: z.iso.datetime(),
    flow: z.enum(FLOW_IDS),
    /** Label of the AEM device that a flow for one device is about; null: the one this boot came from. */
    device: z.nullable(z.string()),
    /** The step to run next. */
    step: z.string(),
    /** Boot in which this was written. */
    bootId: z.nullable(z.string()),
    protection: z.nullable(z.enum(PROTECTIONS)),
    restart: z.nullable(z.string()),
    baseline: z.nullable(baselineSchema()),
    expectation: z.nullable(expectation()),
    /** The contract's `predict` answer, kept as it was given. */
    prediction: keptPredictionSchema(),
    /** What the next boot was prepared for; null: the protecting step is not done, or an older program did it. */
    prepared: z._default(z.nullable(preparedSchema()), null),
    /** The state that was accepted after an explained change. */
    approved: z.nullable(
      z.object({
        at: z.iso.datetime(),
        bootId: z.nullable(z.string()),
        pcrs: pcrValues(),
        /** What it measured, one extend after the other; left out without a log that leads to its registers. */
        components: z.optional(z.array(componentSchema())),
        /** A person accepted it though what was measured could not be computed. */
        proof: z.optional(z.literal('not-proven')),
      }),
    ),
    /** This program's own last reseal: the boot it ran in, and the sealed freshness token it left. */
    resealed: z.nullable(z.object({ bootId: z.string(), token: hexDigest() })),
    /** Latest facts of each step, for the report. */
    findings: keptFindingsSchema(),
    /** Labels of AEM devices that still carry the old state; null: not looked for yet, or they could not be listed. */
    devicesLeft: z.nullable(z.array(z.string())),
    /** What was asked as it was put, what was answered, and whether a person or --yes did. */
    answers: z._default(
      z.array(
        z.object({
          at: z.iso.datetime(),
          step: z.string(),
          /** Stable id of the question. */
          id: z.string(),
          question: z.string(),
          answer: z.string(),
          by: z.enum(['person', 'yes-option']),
        }),
      ),
      [],
    ),
    history: z.array(
      z.object({ at: z.iso.datetime(), flow: z.string(), step: z.string(), outcome: z.string() }),
    ),
  }),
)

export type Session = z.infer<ReturnType<typeof sessionSchema>>

/** Reads a session file. @returns the session, or why it is not one */
export function parseSession(
  text: string,
): { readonly session: Session } | { readonly problem: FileProblem; readonly detail: string } {
  const parsed = parseVersionedFile(text, {
    format: SESSION_FORMAT,
    version: SESSION_VERSION,
    schema: sessionSchema(),
  })
  return 'value' in parsed ? { session: parsed.value } : parsed
}

/** Nothing is answered, recorded or prepared yet: a session at its beginning, and one that is taken back to it. */
export const NOTHING_BEGUN = {
  protection: null,
  restart: null,
  baseline: null,
  expectation: null,
  prediction: null,
  prepared: null,
  approved: null,
  resealed: null,
  findings: {},
  devicesLeft: null,
} as const satisfies Partial<Session>

/** A session that has just begun. @param id a UUID made by the caller */
export function startSession(begin: {
  id: string
  now: Date
  bootId: string | null
  flow: Session['flow']
  device?: string | null
}): Session {
  const at = begin.now.toISOString()
  return {
    format: SESSION_FORMAT,
    version: SESSION_VERSION,
    id: begin.id,
    since: at,
    updatedAt: at,
    flow: begin.flow,
    device: begin.device ?? null,
    step: 'detect-aem',
    bootId: begin.bootId,
    ...NOTHING_BEGUN,
    answers: [],
    history: [],
  }
}
