/*
 * The contract of the JSON on standard output, as zod schemas (docs/contract.md). docs/schema/ is derived from them
 * and tests hold real answers against them; the program itself never loads them. Objects are loose: fields may be
 * added, none removed.
 */
import { z } from 'zod'
import { NOTICES } from '../core/decide/notice.ts'
import { PREPARED_CODES } from '../core/decide/preparedness.ts'
import { FLOW_IDS } from '../core/session/checkpoint.ts'

const hex = z.string().regex(/^[0-9a-f]+$/)
const pcrIndex = z.number().int().min(0).max(23)
const bank = z.enum(['sha1', 'sha256', 'sha384', 'sha512', 'sm3_256'])
/** ISO 8601 in UTC. */
const time = z.iso.datetime()
const flowId = z.enum(FLOW_IDS)
const protection = z.enum(['forward-seal', 'hold', 'plain'])
const signedPackage = z.looseObject({ name: z.string(), evr: z.string(), signer: z.string().nullable() })

/** Any command that refuses or fails, with --json. */
export const errorSchema = z.looseObject({
  error: z.looseObject({
    code: z.string().regex(/^[a-z0-9-]+$/),
    what: z.string(),
    why: z.string().nullable(),
    next: z.string(),
  }),
})

/** Added by this program: until the restart, does what the next boot was prepared for still lie there. */
const prepared = z.looseObject({
  state: z.enum(['fits', 'outdated', 'not-compared']),
  changes: z.array(z.looseObject({ code: z.enum(PREPARED_CODES), what: z.string() })),
  notCompared: z.array(z.string()),
})

/** Added by this program: this boot, held against the last approved one of its device, while no session is open. */
const sinceApproved = z.looseObject({
  label: z.string(),
  at: time,
  state: z.enum(['same', 'explained', 'unexplained', 'not-known']),
  registers: z.array(pcrIndex),
  unseal: z.enum(['unsealed', 'mismatch', 'wrong-token']).nullable(),
  what: z.array(z.string()),
})

const deviceStatus = z.looseObject({
  suffix: z.string(),
  label: z.string(),
  uuid: z.string().nullable(),
  slot: z.number().int().min(0).max(7).nullable(),
  present: z.boolean().nullable(),
  bootFiles: z.enum(['current', 'stale', 'absent']).nullable(),
  /** Added by this program: files that are neither the installed package's nor of an approved boot. */
  changedFiles: z.array(z.looseObject({ path: z.string(), why: z.string() })).optional(),
  sealed: z.boolean().nullable(),
  sealedFor: z.enum(['present', 'own-boot', 'forward', 'other', 'not-sealed']).nullable(),
  lastVerified: z
    .looseObject({ at: time, bootId: z.string().nullable(), inThisBoot: z.boolean().nullable() })
    .nullable(),
  /** Added by this program: false for a plugged-in device that is none of this dom0's and was not opened. */
  known: z.boolean(),
  sharesSlotWith: z.array(z.string()),
  work: z
    .discriminatedUnion('state', [
      z.looseObject({ state: z.literal('done') }),
      z.looseObject({
        state: z.literal('to-do'),
        needs: z.enum(['plug-in', 'refresh', 'forward-boot', 'own-boot', 'look']),
        why: z.string(),
        since: time.nullable(),
      }),
    ])
    .nullable(),
})

/** Added by this program: does AEM protect this boot and the next, and why not; the codes are those of the contract. */
const protectionState = z.looseObject({
  state: z.enum(['protected', 'not-protected', 'at-risk', 'unknown']),
  reasons: z.array(
    z.looseObject({ code: z.string().regex(/^[a-z-]+$/), what: z.string().min(1), next: z.string().min(1) }),
  ),
})

/** Added by this program: the update mark; null where it is not known. */
const updatesSchema = z
  .looseObject({
    state: z.enum(['none', 'marked', 'ignored']),
    why: z.string().nullable(),
    files: z.array(
      z.looseObject({
        path: z.string().regex(/^(\/.+|-|\+[0-9]+)$/),
        at: time,
        bootId: z.string().nullable(),
        inThisBoot: z.boolean().nullable(),
      }),
    ),
    packages: z.array(z.looseObject({ name: z.string(), evr: z.string() })),
    newInitramfs: z.array(z.string()),
  })
  .nullable()

/** Added by this program: what the notice at login says. */
const noticeSchema = z
  .looseObject({ code: z.enum(NOTICES), title: z.string(), text: z.string(), command: z.string().nullable() })
  .nullable()

export const statusSchema = z.looseObject({
  qubes: z.looseObject({ release: z.string().nullable() }),
  protection: protectionState,
  aem: z.looseObject({
    installed: z.boolean().nullable(),
    version: z.string().nullable(),
    flavour: z.enum(['tboot', 'trenchboot']).nullable(),
    tpm: z.enum(['1.2', '2.0', 'none']).nullable(),
    selectedPcrs: z.array(pcrIndex),
    selection: z.looseObject({
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
  xen: z.looseObject({
    running: z.looseObject({ version: z.string().nullable(), buildId: hex.nullable() }),
    installed: z.looseObject({ evr: z.string().nullable(), buildId: hex.nullable() }),
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
  deviceList: z.looseObject({
    state: z.enum(['read', 'absent', 'damaged', 'foreign', 'newer', 'unreadable']),
    detail: z.string().nullable(),
    approvedAt: time.nullable(),
  }),
  sinceApproved: sinceApproved.nullable().optional(),
  /** Added by this program: lines of /etc/aem-reseal/trusted-keys that trust nobody; null where it cannot be read. */
  malformedTrustedKeys: z
    .array(z.looseObject({ line: z.number().int(), text: z.string(), reason: z.string() }))
    .nullable()
    .optional(),
  /** Added by this program: why that file trusts nobody as a whole, such as that others can write to it. */
  trustedKeysUnread: z.string().nullable().optional(),
  updates: updatesSchema,
  notice: noticeSchema,
  next: z.looseObject({ command: z.string().nullable(), why: z.string() }),
})

const component = z.looseObject({
  role: z.enum(['mle', 'xen', 'kernel', 'initramfs', 'module']),
  path: z.string().nullable(),
  commandLine: z.string().nullable(),
  digest: hex,
  package: signedPackage.nullable(),
  /** Added by this program: what vouches for it; rule null where nothing does. */
  vouchedBy: z
    .looseObject({
      rule: z.enum(['unchanged', 'packaged', 'reproduced', 'accepted']).nullable(),
      why: z.string(),
    })
    .optional(),
})

export const predictSchema = z.looseObject({
  calibrated: z.boolean(),
  variant: z
    .looseObject({ map: z.enum(['legacy', 'da']), commandLine: z.enum(['whole', 'first-word-stripped']) })
    .nullable(),
  entry: z.looseObject({ title: z.string() }).nullable(),
  refusal: z.looseObject({ code: z.string(), why: z.string(), next: z.string() }).nullable(),
  pcrs: z.array(
    z.looseObject({
      index: pcrIndex,
      bank,
      now: hex.nullable(),
      predicted: hex.nullable(),
      reason: z.string().nullable(),
      components: z.array(component),
    }),
  ),
})

const cause = z.looseObject({
  role: z.string(),
  path: z.string().nullable(),
  digestBefore: hex.nullable(),
  digestNow: hex.nullable(),
  package: signedPackage.nullable(),
  bulletin: z.number().int().nullable(),
})

export const explainSchema = z.looseObject({
  verdict: z.enum(['unchanged', 'explained', 'not-computable', 'unexplained', 'no-baseline']),
  alreadyResealed: z.boolean().nullable(),
  /** Added by this program: when the boot was approved that was compared with; null: the baseline of the session was. */
  since: time.nullable().optional(),
  /** Added by this program: what stands against the change, empty where nothing does. */
  reasons: z.array(z.looseObject({ code: z.string(), what: z.string() })).optional(),
  prepared: prepared.optional(),
  pcrs: z.array(
    z.looseObject({
      index: pcrIndex,
      bank,
      before: hex.nullable(),
      now: hex.nullable(),
      predicted: hex.nullable(),
      change: z.enum(['none', 'expected', 'not-computable', 'unexpected']),
      causes: z.array(cause),
    }),
  ),
})

export const verifySchema = z.array(
  z.looseObject({
    device: z.string(),
    booted: z.boolean(),
    present: z.boolean().nullable(),
    sinceApproved: sinceApproved.optional(),
    ok: z.boolean().nullable(),
    checks: z.array(
      z.looseObject({
        id: z.enum([
          'media-current',
          'selection',
          'policy',
          'unseal-txt',
          'unseal-key',
          'unseal-otp',
          'unseal-fre',
          'freshness',
          'pcr13',
        ]),
        ok: z.boolean().nullable(),
        detail: z.string(),
      }),
    ),
  }),
)

/** `start`, `resume` and `rehearse`. */
export const runSchema = z.looseObject({
  flow: flowId,
  outcome: z.string(),
  steps: z.array(
    z.looseObject({ id: z.string(), outcome: z.string(), facts: z.record(z.string(), z.unknown()) }),
  ),
  exit: z.number().int(),
})

const bulletinSummary = {
  id: z.number().int().min(1),
  date: z.iso.date(),
}

const signature = z.looseObject({
  signer: z.string().nullable(),
  /** As gpg prints it: upper-case. */
  fingerprint: z
    .string()
    .regex(/^[0-9A-F]{40}$/)
    .nullable(),
  status: z.enum(['good', 'bad', 'no-key', 'untrusted-key', 'expired', 'revoked', 'weak-digest', 'missing']),
})

const restart = z.enum([
  'dom0',
  'dom0-session',
  'dom0-session+vms',
  'vms',
  'xscreensaver',
  'reinstall-templates',
  'none',
  'unstated',
])

const bulletin = z.looseObject({
  ...bulletinSummary,
  title: z.string().nullable(),
  xsas: z.array(z.number().int()),
  mentionsAem: z.boolean(),
  reseal: z
    .looseObject({
      pcrs: z.array(pcrIndex),
      causes: z.array(z.enum(['xen', 'kernel', 'initramfs', 'microcode'])),
    })
    .nullable(),
  dom0: z.array(
    z.looseObject({
      release: z.string(),
      packages: z.array(
        z.looseObject({
          name: z.string(),
          component: z.enum(['xen', 'kernel', 'microcode', 'initramfs-tool', 'firmware', 'lvm', 'other']),
          version: z.string(),
        }),
      ),
    }),
  ),
  restart,
  signatures: z.array(signature),
})

/** One for each argument; of several arguments, one that cannot be shown is an error in its place. */
export const bulletinShowSchema = z.array(z.union([bulletin, errorSchema]))

/** `bulletin list` and `bulletin check`. */
export const bulletinListSchema = z.looseObject({
  release: z.string().nullable(),
  /** Added by this program: whether any bulletin names this release, and the later ones that name later releases only. */
  releaseKnown: z.boolean().optional(),
  laterReleasesOnly: z.array(z.number().int()).optional(),
  /** Added by this program, `bulletin check` only. */
  verdict: z
    .enum(['met', 'nothing-asked', 'unmet', 'unknown', 'restart-due', 'restart-perhaps-due'])
    .optional(),
  signatures: z.array(signature).optional(),
  /** Measured packages signed by a key that RPM has and that is no known signer's. */
  unlistedKeys: z.array(z.looseObject({ name: z.string(), evr: z.string(), keyId: z.string() })).optional(),
  lowered: z
    .array(z.looseObject({ name: z.string(), catalogue: z.string(), file: z.string().nullable() }))
    .optional(),
  exposure: z
    .array(
      z.looseObject({
        device: z.string().nullable(),
        qube: z.string().nullable(),
        vectors: z.number().int().nullable(),
        exposed: z.boolean().nullable(),
      }),
    )
    .nullable()
    .optional(),
  catalogue: z.looseObject({ newest: z.number().int(), date: z.iso.date() }),
  bulletins: z.array(
    z.looseObject({
      ...bulletinSummary,
      met: z.boolean().nullable(),
      restartDue: z.boolean().nullable(),
      /** Added by this program: what the bulletin wants restarted. */
      restart: restart.optional(),
      missing: z.array(
        z.looseObject({
          name: z.string(),
          component: z.string(),
          wanted: z.string(),
          installed: z.string().nullable(),
          /** Added by this program: why it is not known, null where it is missing. */
          unclear: z.enum(['series-not-listed', 'name-not-known', 'not-looked-up']).nullable().optional(),
        }),
      ),
      /** Added by this program: later bulletins by which it is met where its own list of versions does not tell. */
      metThrough: z.array(z.number().int()).optional(),
    }),
  ),
})

/** `cancel`; the form is a choice of this program. */
export const cancelSchema = z.looseObject({ cancelled: z.uuid(), restartCancelled: z.boolean() })

/** `record --out DIR`; the form is a choice of this program. */
export const recordSchema = z.looseObject({
  files: z.number().int(),
  commands: z.number().int(),
  leftOut: z.array(z.string()),
})

/** `rehearse --list`; the form is a choice of this program. */
export const scenariosSchema = z.array(z.looseObject({ name: z.string(), tells: z.string() }))

/** `commands`; the form is a choice of this program. */
export const commandsSchema = z.array(
  z.looseObject({
    id: z.string(),
    argv: z.array(z.string()).min(1),
    effect: z.enum(['read', 'write']),
    asRoot: z.boolean(),
    timeoutMs: z.number().int(),
    maxOutputBytes: z.number().int(),
    why: z.string(),
    source: z.string(),
    sample: z.string(),
  }),
)

/** `plan`; the form is a choice of this program. */
export const planSchema = z.array(
  z.looseObject({
    id: flowId,
    title: z.string(),
    start: z.string(),
    steps: z.record(
      z.string(),
      z.looseObject({
        title: z.string(),
        observes: z.string(),
        on: z.record(z.string(), z.union([z.string(), z.looseObject({ end: z.string() })])),
      }),
    ),
  }),
)

/** Every JSON answer of the program, by the name of its file in docs/schema/. */
export const OUTPUT_SCHEMAS = {
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
} as const

export type OutputName = keyof typeof OUTPUT_SCHEMAS

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
}
