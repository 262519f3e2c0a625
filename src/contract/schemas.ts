/* Long: the contract of every JSON answer in one function, which is made strict and loose from the same text. */

/*
 * The contract of the JSON on standard output, as zod schemas (docs/contract.md), once: docs/schema/ is derived from them, the
 * answers of src/cli/ are typed by them (type imports alone: the program never loads this file), and the tests parse every answer
 * of the program by them (test/support/answers.ts).
 */

import { z } from 'zod'
import { UNSEAL_ANSWERS } from '../core/aem/seal-outcome.ts'
import { TPM_VERSIONS } from '../core/aem/tpm.ts'
import { CAUSES, COMPONENTS, RESTARTS } from '../core/bulletin/bulletin.ts'
import { CHECK_VERDICTS } from '../core/bulletin/decide-bulletins.ts'
import { UNCLEAR } from '../core/bulletin/demand.ts'
import { SIGNATURE_STATUSES } from '../core/bulletin/signatures.ts'
import { DEVICE_NEEDS } from '../core/decide/device-need.ts'
import { DEVICE_FILE_STATES, SEALED_FOR } from '../core/decide/device-work.ts'
import { NOTICES } from '../core/decide/notice.ts'
import { PREPARED_CODES, PREPARED_STATES } from '../core/decide/preparedness.ts'
import { PROTECTIONS } from '../core/decide/protection.ts'
import { BOOT_STATES, PROTECTION_REASONS, PROTECTION_STATES } from '../core/decide/protection-state.ts'
import { CHECK_IDS } from '../core/decide/verify-copies.ts'
import { DROP_IN_ACTS, DROP_IN_FILE_STATES } from '../core/hold/drop-in.ts'
import { FLAVOURS, MODULE_ROLES } from '../core/launch/boot-entry.ts'
import { PCR_CHANGES, VERDICTS } from '../core/launch/explain-types.ts'
import { TBOOT_MAPS } from '../core/launch/launch-log.ts'
import { COMMAND_LINE_RULES } from '../core/launch/module-digest.ts'
import { BANK_NAMES } from '../core/launch/pcr.ts'
import { REFUSAL_CODES } from '../core/launch/refusal.ts'
import { FLOW_IDS } from '../core/session/checkpoint.ts'
import { VOUCH_RULES } from '../core/vouch/vouched-by.ts'
import { EFFECTS } from '../tables/commands/row.ts'
import { FAILURES } from '../tables/failures.ts'

const hex = z.string().regex(/^[0-9a-f]+$/)
const pcrIndex = z.number().int().min(0).max(23)
const bank = z.enum(BANK_NAMES)
/** ISO 8601 in UTC. */
const time = z.iso.datetime()
/** Of an AEM device. */
const label = z.string().regex(/^aem/)
const flowId = z.enum(FLOW_IDS)
const protection = z.enum(PROTECTIONS)
/** Strict for the tests and the types; loose for the published schemas, as fields may be added. */
type ObjectMaker = typeof z.strictObject

/** Every JSON answer of the program, by the name of its file in docs/schema/. @param object how objects are made */
export function makeOutputSchemas(object: ObjectMaker) {
  const signedPackage = object({ name: z.string(), evr: z.string(), signer: z.string().nullable() })

  /** Any command that refuses or fails, with --json. */
  const errorSchema = object({
    error: object({
      code: z
        .string()
        .regex(/^[a-z0-9-]+$/)
        .refine((code) => Object.hasOwn(FAILURES, code), 'no row of src/tables/failures.ts'),
      what: z.string().min(1),
      why: z.string().nullable(),
      next: z.string().min(1),
    }),
  })

  /** Added by this program: until the restart, does what the next boot was prepared for still lie there. */
  const prepared = object({
    state: z.enum(PREPARED_STATES),
    changes: z.array(object({ code: z.enum(PREPARED_CODES), what: z.string().min(1) })),
    notCompared: z.array(z.string().min(1)),
  })

  /** Added by this program: this boot, compared with the last approved one of its device, while no session is open. */
  const sinceApproved = object({
    label,
    /** null: no boot was approved yet, and an entry that this one may have come from is odd. */
    at: time.nullable(),
    /** The boot was believed by `start` on the first use, and approved by nobody. */
    isBelieved: z.boolean(),
    state: z.enum(BOOT_STATES),
    registers: z.array(pcrIndex),
    unseal: z.enum(UNSEAL_ANSWERS).nullable(),
    what: z.array(z.string().min(1)),
  })

  const deviceStatus = object({
    suffix: z.string().regex(/^[0-9a-zA-Z=.-]{0,13}$/),
    label,
    uuid: z.string().nullable(),
    slot: z.number().int().min(0).max(7).nullable(),
    present: z.boolean().nullable(),
    bootFiles: z.enum(DEVICE_FILE_STATES).nullable(),
    /** Added by this program: files that are neither the installed package's nor of an approved boot. */
    changedFiles: z.array(object({ path: z.string().regex(/^\//), why: z.string().min(1) })),
    sealed: z.boolean().nullable(),
    sealedFor: z.enum(SEALED_FOR).nullable(),
    lastVerified: z
      .looseObject({ at: time, bootId: z.string().nullable(), inThisBoot: z.boolean().nullable() })
      .nullable(),
    /** Added by this program: false for a plugged-in device that is none of this dom0's and was not opened. */
    known: z.boolean(),
    sharesSlotWith: z.array(z.string()),
    work: z
      .discriminatedUnion('state', [
        object({ state: z.literal('done') }),
        object({
          state: z.literal('to-do'),
          needs: z.enum(DEVICE_NEEDS),
          why: z.string().min(1),
          since: time.nullable(),
        }),
      ])
      .nullable(),
  })

  /** Added by this program: does AEM protect this boot and the next, and why not; the codes are those of the contract. */
  const protectionState = object({
    state: z.enum(PROTECTION_STATES),
    reasons: z.array(
      object({ code: z.enum(PROTECTION_REASONS), what: z.string().min(1), next: z.string().min(1) }),
    ),
  }).refine(({ state, reasons }) => (state === 'protected') === (reasons.length === 0))

  /** Added by this program: the update mark; null where it is not known. */
  const updatesSchema = z
    .looseObject({
      state: z.enum(['none', 'marked', 'ignored']),
      why: z.string().nullable(),
      files: z.array(
        object({
          path: z.string().regex(/^(\/.+|-|\+[0-9]+)$/),
          at: time,
          bootId: z.string().nullable(),
          inThisBoot: z.boolean().nullable(),
        }),
      ),
      packages: z.array(object({ name: z.string(), evr: z.string() })),
      newInitramfs: z.array(z.string().regex(/^\/boot\/initramfs-/)),
    })
    .nullable()

  /** Added by this program: what the notice at login says. */
  const noticeSchema = z
    .looseObject({
      code: z.enum(NOTICES),
      title: z.string().min(1),
      text: z.string().min(1),
      command: z
        .string()
        .regex(/^aem-reseal( (cancel|explain|resume|start|verify))?$/)
        .nullable(),
    })
    .nullable()

  const deviceList = object({
    state: z.enum(['read', 'absent', 'damaged', 'foreign', 'newer', 'unreadable']),
    detail: z.string().nullable(),
    approvedAt: time.nullable(),
  })

  const statusSchema = object({
    qubes: object({ release: z.string().nullable() }),
    protection: protectionState,
    aem: object({
      installed: z.boolean().nullable(),
      version: z.string().nullable(),
      flavour: z.enum(FLAVOURS).nullable(),
      tpm: z.enum([...TPM_VERSIONS, 'none']).nullable(),
      selectedPcrs: z.array(pcrIndex),
      selection: object({
        state: z.enum(['read', 'not-set', 'not-read', 'absent', 'unreadable']),
        line: z.number().int().positive().nullable(),
        text: z.string().nullable(),
        reason: z.string().nullable(),
      }),
      badPcrs: z.array(pcrIndex),
      bootedWithAem: z.boolean().nullable(),
      measured: z.boolean().nullable(),
      devices: z.array(deviceStatus),
    }),
    xen: object({
      running: object({ version: z.string().nullable(), buildId: hex.nullable() }),
      installed: object({ evr: z.string().nullable(), buildId: hex.nullable() }),
      pendingRestart: z.boolean().nullable(),
    }),
    session: z
      .looseObject({
        id: z.uuid(),
        flow: flowId,
        step: z.string(),
        since: time,
        protection: protection.nullable(),
        prepared: prepared.optional(),
      })
      .nullable(),
    /** Added by this program: the gate held AEM's automatic seal in this boot. */
    held: object({ at: time, why: z.string().min(1) }).nullable(),
    deviceList,
    sinceApproved: sinceApproved.nullable(),
    /** Added by this program: lines of /etc/aem-reseal/trusted-keys that trust nobody; null where it cannot be read. */
    malformedTrustedKeys: z
      .array(object({ line: z.number().int().min(1), text: z.string(), reason: z.string().min(1) }))
      .nullable(),
    /** Added by this program: why that file trusts nobody as a whole, such as that others can write to it. */
    trustedKeysUnread: z.string().min(1).nullable(),
    updates: updatesSchema,
    notice: noticeSchema,
    next: object({ command: z.string().nullable(), why: z.string().min(1) }),
  })

  const component = object({
    role: z.enum(MODULE_ROLES),
    path: z.string().nullable(),
    commandLine: z.string().nullable(),
    digest: hex,
    /** Added by this program: differs from what this boot measured in its place. */
    changed: z.boolean(),
    package: signedPackage.nullable(),
    /** Added by this program: what vouches for it; rule null where nothing does. */
    vouchedBy: z.looseObject({
      rule: z.enum(VOUCH_RULES).nullable(),
      why: z.string(),
    }),
  })

  const predictSchema = object({
    calibrated: z.boolean(),
    variant: z.looseObject({ map: z.enum(TBOOT_MAPS), commandLine: z.enum(COMMAND_LINE_RULES) }).nullable(),
    entry: object({ title: z.string() }).nullable(),
    refusal: object({ code: z.enum(REFUSAL_CODES), why: z.string(), next: z.string() }).nullable(),
    pcrs: z.array(
      object({
        index: pcrIndex,
        bank,
        now: hex.nullable(),
        predicted: hex.nullable(),
        reason: z.string().nullable(),
        /** Added by this program: why it is not predicted, and whether something vouches for all of it. */
        code: z.enum(REFUSAL_CODES).nullable(),
        vouched: z.boolean(),
        components: z.array(component),
      }),
    ),
    /** Added by this program: what nobody vouches for, in words. */
    unvouched: z.array(z.string()),
  })

  const cause = object({
    role: z.string(),
    path: z.string().nullable(),
    digestBefore: hex.nullable(),
    digestNow: hex.nullable(),
    /** The last four are added by this program: what rpm and the keyring say of it. */
    package: object({
      name: z.string(),
      evr: z.string(),
      signer: z.string().nullable(),
      signerKnown: z.boolean(),
      signatureFault: z.string().nullish(),
      installTime: z.string().nullable(),
      unmodified: z.boolean().nullable(),
    }).nullable(),
    bulletin: z.number().int().nullable(),
  })

  const explainSchema = object({
    verdict: z.enum(VERDICTS),
    alreadyResealed: z.boolean().nullable(),
    /** Added by this program: when the boot was approved that was compared with; null: the baseline of the session was. */
    since: time.nullable(),
    /** Added by this program: what stands against the change, empty where nothing does. */
    reasons: z.array(
      object({
        code: z.string(),
        pcr: pcrIndex.nullable().optional(),
        what: z.string(),
        next: z.string().nullable(),
        isBlocking: z.boolean(),
      }),
    ),
    /** Added by this program: what to do, in this order. */
    advice: z.array(z.string()),
    prepared: prepared.optional(),
    /** Added by this program: initramfs files that were made again on the way, and what of them a person accepted. */
    reproductions: z.array(z.looseObject({ image: z.string(), state: z.string() })).optional(),
    accepted: z.array(object({ kind: z.literal('modules'), path: z.string(), sha256: hex })).optional(),
    pcrs: z.array(
      object({
        index: pcrIndex,
        bank,
        before: hex.nullable(),
        now: hex.nullable(),
        predicted: hex.nullable(),
        change: z.enum(PCR_CHANGES),
        causes: z.array(cause),
      }),
    ),
  })

  const verifySchema = z.array(
    object({
      device: z.string(),
      booted: z.boolean(),
      present: z.boolean().nullable(),
      sinceApproved: sinceApproved.optional(),
      ok: z.boolean().nullable(),
      checks: z.array(
        object({
          id: z.enum(CHECK_IDS),
          ok: z.boolean().nullable(),
          detail: z.string(),
          /** The check failed, and the next boot shows the secret all the same. */
          stillUnseals: z.literal(true).optional(),
        }),
      ),
    }),
  )

  /** `start`, `resume` and `rehearse`. */
  const runSchema = object({
    flow: flowId,
    outcome: z.string(),
    steps: z.array(object({ id: z.string(), outcome: z.string(), facts: z.unknown() })).min(1),
    exit: z.number().int(),
  })

  const bulletinSummary = {
    id: z.number().int().min(1),
    date: z.iso.date(),
  }

  const signature = object({
    signer: z.string().nullable(),
    /** As gpg prints it: upper-case. */
    fingerprint: z
      .string()
      .regex(/^[0-9A-F]{40}$/)
      .nullable(),
    status: z.enum(SIGNATURE_STATUSES),
  })

  const restart = z.enum(RESTARTS)
  const packageComponent = z.enum(COMPONENTS)

  const bulletin = object({
    ...bulletinSummary,
    title: z.string().nullable(),
    xsas: z.array(z.number().int()),
    mentionsAem: z.boolean(),
    reseal: z
      .looseObject({
        pcrs: z.array(pcrIndex),
        causes: z.array(z.enum(CAUSES)),
      })
      .nullable(),
    dom0: z.array(
      object({
        release: z.string(),
        packages: z.array(
          object({
            name: z.string(),
            component: packageComponent,
            version: z.string(),
          }),
        ),
      }),
    ),
    restart,
    signatures: z.array(signature),
    /** Added by this program. */
    source: z.enum(['catalogue', 'file']),
  })

  /** One for each argument; of several arguments, one that cannot be shown is an error in its place. */
  const bulletinShowSchema = z.array(z.union([bulletin, errorSchema]))

  /** `bulletin list` and `bulletin check`. */
  const bulletinListSchema = object({
    release: z.string(),
    /** Added by this program: whether any bulletin names this release, and the later ones that name later releases only. */
    releaseKnown: z.boolean(),
    laterReleasesOnly: z.array(z.number().int()),
    /** Added by this program, `bulletin check` only. */
    verdict: z.enum(CHECK_VERDICTS).optional(),
    signatures: z.array(signature).optional(),
    /** Measured packages signed by a key that RPM has and that is no known signer's. */
    unlistedKeys: z.array(object({ name: z.string(), evr: z.string(), keyId: z.string() })).optional(),
    lowered: z
      .array(object({ name: z.string(), catalogue: z.string(), file: z.string().nullable() }))
      .optional(),
    exposure: z
      .array(
        object({
          device: z.string().nullable(),
          qube: z.string().nullable(),
          vectors: z.number().int().nullable(),
          exposed: z.boolean().nullable(),
        }),
      )
      .nullable()
      .optional(),
    catalogue: object({ newest: z.number().int(), date: z.iso.date() }),
    bulletins: z.array(
      object({
        ...bulletinSummary,
        met: z.boolean().nullable(),
        restartDue: z.boolean().nullable(),
        /** Added by this program: what the bulletin wants restarted. */
        restart,
        missing: z.array(
          object({
            name: z.string(),
            component: packageComponent,
            wanted: z.string(),
            installed: z.string().nullable(),
            /** Added by this program: why it is not known, null where it is missing. */
            unclear: z.enum(UNCLEAR).nullable(),
          }),
        ),
        /** Added by this program: later bulletins by which it is met where its own list of versions does not tell. */
        metThrough: z.array(z.number().int()),
      }),
    ),
  })

  /** `cancel`; the form is a choice of this program. */
  const cancelSchema = object({
    cancelled: z.uuid(),
    restartCancelled: z.boolean(),
    /** Label of the device whose forward seal was taken back, or stays. */
    forwardSeal: z.string().nullable(),
  })

  /** `record --out DIR`; the form is a choice of this program. */
  const recordSchema = object({
    files: z.number().int(),
    commands: z.number().int(),
    leftOut: z.array(z.string()),
  })

  /** `rehearse --list`; the form is a choice of this program. */
  const scenariosSchema = z.array(object({ name: z.string(), tells: z.string() }))

  /** `commands`; the form is a choice of this program. */
  const commandsSchema = z.array(
    object({
      id: z.string(),
      argv: z.array(z.string()).min(1),
      effect: z.enum(EFFECTS),
      asRoot: z.boolean(),
      timeoutMs: z.number().int(),
      maxOutputBytes: z.number().int(),
      why: z.string(),
      source: z.string(),
      sample: z.string(),
    }),
  )

  /** `plan`; the form is a choice of this program. */
  const planSchema = z.array(
    object({
      id: flowId,
      title: z.string(),
      start: z.string(),
      steps: z.record(
        z.string(),
        object({
          title: z.string(),
          observes: z.string(),
          asks: z.string().optional(),
          does: z.string().optional(),
          checkpoint: z.literal(true).optional(),
          closes: z.literal(true).optional(),
          leaves: z.string().optional(),
          on: z.record(z.string(), z.union([z.string(), object({ end: z.string() })])),
        }),
      ),
    }),
  )

  /** `devices`; the form is a choice of this program. */
  const devicesSchema = object({ devices: z.array(deviceStatus), deviceList, prepared: prepared.optional() })

  /** `gate`; the form is a choice of this program. */
  const gateSchema = object({
    mayRun: z.boolean(),
    reason: z.string(),
    pcrs: z.array(pcrIndex),
    why: z.string(),
    detail: z.string().nullable(),
    askedBySystemd: z.boolean(),
  })

  /** `gate install`, `show` and `remove`; the form is a choice of this program. */
  const dropInSchema = object({
    act: z.enum(DROP_IN_ACTS),
    done: z.boolean(),
    dropIn: z.string(),
    isInstalled: z.boolean().nullable(),
    file: z.enum(DROP_IN_FILE_STATES),
    program: object({ path: z.string().nullable(), why: z.string().nullable() }),
    /** The unit as systemd has it loaded. */
    unit: z.looseObject({ isLoaded: z.boolean(), dropIns: z.array(z.string()) }).nullable(),
    what: z.string().min(1),
    why: z.string().nullable(),
  })

  /** `report`: the list; `report ID`: that report, which holds the session's facts as they were. */
  const reportSchema = z.union([
    object({
      reports: z.array(object({ id: z.string(), at: time, verdict: z.string().nullable() })),
      /** Added by this program: files beside the reports that are none, or cannot be read. */
      unread: z.array(object({ file: z.string(), why: z.string() })),
    }),
    z.looseObject({
      closedAt: time,
      id: z.uuid(),
      verdict: z.looseObject({ mark: z.enum(['good', 'attention']), headline: z.string() }).optional(),
    }),
  ])

  /** `help`; the form is a choice of this program. */
  const helpSchema = object({ text: z.string().min(1) })

  return {
    error: errorSchema,
    status: statusSchema,
    predict: predictSchema,
    explain: explainSchema,
    verify: verifySchema,
    run: runSchema,
    'bulletin-show': bulletinShowSchema,
    'bulletin-list': bulletinListSchema,
    cancel: cancelSchema,
    record: recordSchema,
    scenarios: scenariosSchema,
    commands: commandsSchema,
    plan: planSchema,
    devices: devicesSchema,
    gate: gateSchema,
    'gate-drop-in': dropInSchema,
    report: reportSchema,
    help: helpSchema,
  }
}

export type OutputName = keyof ReturnType<typeof makeOutputSchemas>

type DeepReadonly<T> = T extends (infer E)[]
  ? readonly DeepReadonly<E>[]
  : T extends object
    ? { readonly [K in keyof T]: DeepReadonly<T[K]> }
    : T

/** What the program answers, by the name of its schema. */
export type Answer<N extends OutputName> = DeepReadonly<z.input<ReturnType<typeof makeOutputSchemas>[N]>>

/** As published: fields may be added, none removed. */
export const PUBLISHED_SCHEMAS = makeOutputSchemas(z.looseObject as unknown as ObjectMaker)

/** What each document is, for the schema's own description. */
export const OUTPUT_TITLES: { readonly [N in OutputName]: string } = {
  error: 'any command that refuses or fails, with --json',
  status: 'aem-reseal status --json',
  predict: 'aem-reseal predict --json',
  explain: 'aem-reseal explain --json',
  verify: 'aem-reseal verify --json',
  run: 'aem-reseal start, resume and rehearse --json',
  'bulletin-show': 'aem-reseal bulletin show --json',
  'bulletin-list': 'aem-reseal bulletin list and bulletin check --json',
  cancel: 'aem-reseal cancel --json',
  record: 'aem-reseal record --json',
  scenarios: 'aem-reseal rehearse --list --json',
  commands: 'aem-reseal commands --json',
  plan: 'aem-reseal plan --json',
  devices: 'aem-reseal devices --json',
  gate: 'aem-reseal gate --json',
  'gate-drop-in': 'aem-reseal gate install, show and remove --json',
  report: 'aem-reseal report --json',
  help: 'aem-reseal help --json',
}
