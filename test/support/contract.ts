import { readFileSync } from 'node:fs'
import * as z from 'zod'

/*
 * The shapes of the contract's JSON, written from the contract and not from the program: strict objects, so that a
 * field that goes away or changes its form fails. Fields that are added must be added here too.
 */

const hex = z.string().regex(/^[0-9a-f]+$/)
const time = z.iso.datetime()
const pcrIndex = z.number().int().min(0).max(23)

/** The codes of `protection.reasons`, read from the table of docs/contract.md. */
export const PROTECTION_CODES = readProtectionCodes()

function readProtectionCodes(): [string, ...string[]] {
  const text = readFileSync(new URL('../../docs/contract.md', import.meta.url), 'utf8')
  const table = text.slice(text.indexOf('| `protection` code |'))
  const rows = table.slice(0, table.indexOf('\n\n')).split('\n').slice(2)
  const [first, ...others] = rows.map((row) => /^\| `([a-z-]+)` \|/.exec(row)?.[1] ?? '')
  return [first ?? '', ...others]
}

/** Addition of docs/contract.md: this boot, held against the last approved one. */
export const sinceApprovedShape = z.strictObject({
  label: z.string().regex(/^aem/),
  at: time,
  state: z.enum(['same', 'explained', 'unexplained', 'not-known']),
  registers: z.array(pcrIndex),
  unseal: z.enum(['unsealed', 'mismatch', 'wrong-token']).nullable(),
  what: z.array(z.string().min(1)),
})

/** Addition of docs/contract.md: whether AEM protects, with the codes named there. */
export const protectionShape = z
  .strictObject({
    state: z.enum(['protected', 'not-protected', 'at-risk', 'unknown']),
    reasons: z.array(
      z.strictObject({ code: z.enum(PROTECTION_CODES), what: z.string().min(1), next: z.string().min(1) }),
    ),
  })
  .refine(({ state, reasons }) => (state === 'protected') === (reasons.length === 0))

/** Addition of docs/contract.md: until the restart, whether what was prepared still fits. */
export const preparedShape = z.strictObject({
  state: z.enum(['fits', 'outdated', 'not-compared']),
  changes: z.array(
    z.strictObject({
      code: z.enum([
        'boot-file',
        'boot-entry',
        'package',
        'selection',
        'luks-header',
        'sealed-files',
        'freshness-slot',
      ]),
      what: z.string().min(1),
    }),
  ),
  notCompared: z.array(z.string().min(1)),
})

export const statusShape = z.strictObject({
  qubes: z.strictObject({ release: z.string().nullable() }),
  protection: protectionShape,
  aem: z.strictObject({
    installed: z.boolean().nullable(),
    version: z.string().nullable(),
    flavour: z.enum(['tboot', 'trenchboot']).nullable(),
    tpm: z.enum(['1.2', '2.0', 'none']).nullable(),
    selectedPcrs: z.array(pcrIndex),
    selection: z.strictObject({
      state: z.enum(['read', 'not-set', 'not-read', 'absent', 'unreadable']),
      line: z.number().int().positive().nullable(),
      text: z.string().nullable(),
      reason: z.string().nullable(),
    }),
    badPcrs: z.array(pcrIndex),
    bootedWithAem: z.boolean().nullable(),
    measured: z.boolean().nullable(),
    devices: z.array(
      z.strictObject({
        suffix: z.string().regex(/^[0-9a-zA-Z=.-]{0,13}$/),
        label: z.string().regex(/^aem/),
        uuid: z.string().nullable(),
        slot: z.number().int().min(0).max(7).nullable(),
        present: z.boolean().nullable(),
        bootFiles: z.enum(['current', 'stale', 'absent']).nullable(),
        changedFiles: z.array(z.strictObject({ path: z.string().regex(/^\//), why: z.string().min(1) })),
        sealed: z.boolean().nullable(),
        /** Additions of docs/contract.md: devices. */
        sealedFor: z.enum(['present', 'own-boot', 'forward', 'other', 'not-sealed']).nullable(),
        lastVerified: z
          .strictObject({ at: time, bootId: z.string().nullable(), inThisBoot: z.boolean().nullable() })
          .nullable(),
        known: z.boolean(),
        sharesSlotWith: z.array(z.string()),
        work: z
          .union([
            z.strictObject({ state: z.literal('done') }),
            z.strictObject({
              state: z.literal('to-do'),
              needs: z.enum(['plug-in', 'refresh', 'forward-boot', 'own-boot', 'look']),
              why: z.string().min(1),
              since: time.nullable(),
            }),
          ])
          .nullable(),
      }),
    ),
  }),
  xen: z.strictObject({
    running: z.strictObject({ version: z.string().nullable(), buildId: hex.nullable() }),
    installed: z.strictObject({ evr: z.string().nullable(), buildId: hex.nullable() }),
    pendingRestart: z.boolean().nullable(),
  }),
  session: z
    .strictObject({
      id: z.uuid(),
      flow: z.string(),
      step: z.string(),
      since: time,
      protection: z.enum(['forward-seal', 'hold', 'plain']).nullable(),
      prepared: preparedShape.optional(),
    })
    .nullable(),
  /** An addition: the gate held AEM's automatic seal in this boot. */
  held: z.strictObject({ at: time, why: z.string().min(1) }).nullable(),
  deviceList: z.strictObject({
    state: z.enum(['read', 'absent', 'damaged', 'foreign', 'newer', 'unreadable']),
    detail: z.string().nullable(),
    approvedAt: time.nullable(),
  }),
  sinceApproved: sinceApprovedShape.nullable(),
  /** Additions: the update mark, and what the notice at login says. */
  updates: z
    .strictObject({
      state: z.enum(['none', 'marked', 'ignored']),
      why: z.string().nullable(),
      files: z.array(
        z.strictObject({
          path: z.string().min(1),
          at: time,
          bootId: z.string().nullable(),
          inThisBoot: z.boolean().nullable(),
        }),
      ),
      packages: z.array(z.strictObject({ name: z.string(), evr: z.string() })),
      newInitramfs: z.array(z.string().regex(/^\/boot\/initramfs-/)),
    })
    .nullable(),
  notice: z
    .strictObject({
      code: z.enum([
        'prepared-outdated',
        'alarm',
        'resume',
        'seal-held',
        'start',
        'update-unconfirmed',
        'mark-ignored',
      ]),
      title: z.string().min(1),
      text: z.string().min(1),
      command: z
        .string()
        .regex(/^aem-reseal( (cancel|explain|resume|start|verify))?$/)
        .nullable(),
    })
    .nullable(),
  /** An addition: lines of trusted-keys that trust nobody. */
  malformedTrustedKeys: z
    .array(z.strictObject({ line: z.number().int().min(1), text: z.string(), reason: z.string().min(1) }))
    .nullable(),
  /** An addition: why trusted-keys trusts nobody as a whole. */
  trustedKeysUnread: z.string().min(1).nullable(),
  next: z.strictObject({ command: z.string().nullable(), why: z.string().min(1) }),
})

export const errorShape = z.strictObject({
  error: z.strictObject({
    code: z.string().regex(/^[a-z][a-z0-9-]*$/),
    what: z.string().min(1),
    why: z.string().nullable(),
    next: z.string().min(1),
  }),
})

const checkIds = [
  'media-current',
  'selection',
  'policy',
  'unseal-txt',
  'unseal-key',
  'unseal-otp',
  'unseal-fre',
  'freshness',
  'pcr13',
] as const

export const verifyShape = z.array(
  z.strictObject({
    device: z.string(),
    booted: z.boolean(),
    present: z.boolean().nullable(),
    sinceApproved: sinceApprovedShape.optional(),
    ok: z.boolean().nullable(),
    checks: z.array(z.strictObject({ id: z.enum(checkIds), ok: z.boolean().nullable(), detail: z.string() })),
  }),
)

/** `reasons` is an addition of this program. */
export const explainShape = z.looseObject({
  /** An addition: of the approved boot that was compared with. */
  since: time.nullable(),
  verdict: z.enum(['unchanged', 'explained', 'unexplained', 'no-baseline']),
  alreadyResealed: z.boolean().nullable(),
  pcrs: z.array(
    z.looseObject({
      index: pcrIndex,
      bank: z.enum(['sha1', 'sha256', 'sha384', 'sha512', 'sm3_256']),
      before: hex.nullable(),
      now: hex.nullable(),
      predicted: hex.nullable(),
      change: z.enum(['none', 'expected', 'unexpected']),
      causes: z.array(
        z.looseObject({
          role: z.string(),
          path: z.string(),
          digestBefore: hex.nullable(),
          digestNow: hex.nullable(),
          bulletin: z.number().int().nullable(),
        }),
      ),
    }),
  ),
})

export const runShape = z.strictObject({
  flow: z.string(),
  outcome: z.string(),
  steps: z.array(z.strictObject({ id: z.string(), outcome: z.string(), facts: z.unknown() })).min(1),
  exit: z.number().int(),
})

const checkOnly = {
  /** Additions, `bulletin check` only. */
  verdict: z.enum(['met', 'nothing-asked', 'unmet', 'unknown', 'restart-due', 'restart-perhaps-due']),
  signatures: z.array(
    z.strictObject({ signer: z.string().nullable(), fingerprint: z.string().nullable(), status: z.string() }),
  ),
  unlistedKeys: z.array(z.strictObject({ name: z.string(), evr: z.string(), keyId: z.string() })),
  lowered: z.array(z.strictObject({ name: z.string(), catalogue: z.string(), file: z.string().nullable() })),
  exposure: z
    .array(
      z.strictObject({
        device: z.string().nullable(),
        qube: z.string().nullable(),
        vectors: z.number().int().nullable(),
        exposed: z.boolean().nullable(),
      }),
    )
    .nullable(),
}

export const bulletinListShape = z.strictObject({
  release: z.string(),
  /** Additions. */
  releaseKnown: z.boolean(),
  laterReleasesOnly: z.array(z.number().int()),
  ...z.object(checkOnly).partial().shape,
  catalogue: z.strictObject({ newest: z.number().int(), date: z.iso.date() }),
  bulletins: z.array(
    z.strictObject({
      id: z.number().int(),
      date: z.iso.date(),
      met: z.boolean().nullable(),
      restartDue: z.boolean().nullable(),
      missing: z.array(
        z.strictObject({
          name: z.string(),
          component: z.enum(['xen', 'kernel', 'microcode', 'initramfs-tool', 'firmware', 'lvm', 'other']),
          wanted: z.string(),
          installed: z.string().nullable(),
          /** Additions. */
          unclear: z.enum(['series-not-listed', 'name-not-known', 'not-looked-up']).nullable(),
        }),
      ),
      metThrough: z.array(z.number().int()),
      restart: z.string(),
    }),
  ),
})
