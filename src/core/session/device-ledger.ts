/* Long: one file with its schema, and what is asked of it. */

import { SEAL_BANKS, type SealBank } from '../aem/tpm.ts'
import * as z from '../form.ts'
import { onFirstUse } from '../on-first-use.ts'
import { type ApprovedBoot, approvedBootSchema, registerValues } from './approved-boot.ts'
import { parseVersionedFile } from './versioned-file.ts'

/** Raised with every change that an older program could misread. Version 1 had no approved boots, and no banks. */
export const LEDGER_VERSION = 2
const FORMAT = 'aem-reseal devices'

/** Of the registers; null in what an older version wrote, which is compared with no boot. */
const bank = onFirstUse(() => z._default(z.nullable(z.enum(SEAL_BANKS)), null))

const approvedState = onFirstUse(() =>
  z.object({
    at: z.iso.datetime(),
    bootId: z.nullable(z.string()),
    /** Of the device it was approved on; null where that is not known. */
    label: z.nullable(z.string()),
    bank: bank(),
    /** In the bank AEM seals to: the registers that it seals to, and those that the launch filled beside. */
    registers: registerValues(),
    /** Registers of those AEM seals to that hold the same on every device (see `listSharedRegisters`). */
    shared: z.array(z.int().check(z.gte(0), z.lte(23))),
    /** `name evr` of the newest of each measured package; null where they could not be listed. */
    packages: z.nullable(z.array(z.string())),
    /** Accepted though what was measured could not be computed: nothing is sealed forward on it. */
    proof: z.optional(z.literal('not-proven')),
  }),
)

const verifiedState = onFirstUse(() =>
  z.object({
    at: z.iso.datetime(),
    bootId: z.nullable(z.string()),
    /** In the bank AEM seals to. */
    registers: registerValues(),
    /** Is what booted what the device carries now, and is that what is installed? null: not known. */
    isCurrent: z.nullable(z.boolean()),
    /** Why not, or why not known; null where it is. */
    why: z.nullable(z.string()),
    /** SHA-256 of dom0's secret.fre.sealed2, which every seal renews. */
    tokenSha256: z.nullable(z.string()),
    /** The same of each device then, by label: a seal of one takes a slot that it shares with this one. */
    tokens: z._default(z.record(z.string(), z.string()), {}),
  }),
)

const device = onFirstUse(() =>
  z.object({
    label: z.string(),
    uuid: z.nullable(z.string()),
    /** The last time that every check of `verify` was true, in a boot from this very device. */
    verified: z.nullable(verifiedState()),
    /** The last boot from it that was approved; null: none is known. */
    approved: z._default(z.nullable(approvedBootSchema()), null),
    /**
     * Of the boot in which `start` ran, where nothing was approved before, and a later boot was given up without approving it.
     */
    believed: z.optional(
      z.object({
        at: z.iso.datetime(),
        bootId: z.nullable(z.string()),
        bank: z.enum(SEAL_BANKS),
        /** The registers that AEM sealed to, and those that the launch filled beside. */
        registers: registerValues(),
        /** Registers that hold the same on every device. */
        shared: z._default(z.array(z.int().check(z.gte(0), z.lte(23))), []),
        /** `name evr` of each measured package that was installed then. */
        packages: z.array(z.string()),
      }),
    ),
    /** Each initramfs on it that this program made from dom0's own files, or saw measured in a verified boot. */
    knownFiles: z._default(
      z.array(
        z.object({
          name: z.string(),
          sha256: z.string().check(z.regex(/^[0-9a-f]{64}$/)),
          /**
           * What makes it vouch for a seal while the measured packages (`name evr`) are these: this program made it in that boot,
           * or, with null, an approved boot measured it.
           */
          origin: z.optional(z.object({ madeIn: z.nullable(z.string()), packages: z.array(z.string()) })),
        }),
      ),
      [],
    ),
    /** The forward seal for its own next boot, made while another device was booted; null after a verified boot. */
    forward: z._default(
      z.nullable(
        z.object({
          at: z.iso.datetime(),
          bank: bank(),
          /** In the bank AEM seals to. */
          registers: registerValues(),
          /** SHA-256 of dom0's secret.fre.sealed2 of each device then, by label: a later seal renews it. */
          tokens: z._default(z.record(z.string(), z.string()), {}),
          /** Its boot files were made again since: it shows no secret any more, and stays what its boots are compared with. */
          isReplaced: z.optional(z.literal(true)),
        }),
      ),
      null,
    ),
    /** Since when it is left to do; null where it is not, or where no state was approved yet. */
    leftSince: z.nullable(z.iso.datetime()),
  }),
)

const ledgerSchema = onFirstUse(() =>
  z.object({
    format: z.literal(FORMAT),
    /** What an older version wrote is read, and written in this form. */
    version: z.pipe(
      z.union([z.literal(1), z.literal(LEDGER_VERSION)]),
      z.transform(() => LEDGER_VERSION),
    ),
    updatedAt: z.iso.datetime(),
    /** The last state that the user accepted, with evidence; null before the first. */
    approved: z.nullable(approvedState()),
    devices: z.array(device()),
  }),
)

/**
 * What is remembered of the AEM devices from boot to boot, and when no session is open: which state was approved last,
 * and which device was verified when, in which boot.
 */
export type DeviceLedger = z.infer<ReturnType<typeof ledgerSchema>>
export type ApprovedState = z.infer<ReturnType<typeof approvedState>>
export type VerifiedState = z.infer<ReturnType<typeof verifiedState>>
export type LedgerDevice = DeviceLedger['devices'][number]

/** A ledger that was read, none there, or one that is kept as it is and not believed. */
export type LedgerLook =
  | { readonly state: 'read'; readonly ledger: DeviceLedger }
  | { readonly state: 'absent' }
  | { readonly state: 'damaged' | 'foreign' | 'newer' | 'unreadable'; readonly detail: string }

/**
 * Reads devices.json of the state directory.
 * @returns the ledger, or why it is none, as `parseSession` tells it of a session
 */
export function parseDeviceLedger(text: string): LedgerLook {
  const parsed = parseVersionedFile(text, { format: FORMAT, version: LEDGER_VERSION, schema: ledgerSchema() })
  if ('value' in parsed) return { state: 'read', ledger: parsed.value }
  return { state: parsed.problem, detail: parsed.detail }
}

export function emptyDeviceLedger(at: string): DeviceLedger {
  return { format: FORMAT, version: LEDGER_VERSION, updatedAt: at, approved: null, devices: [] }
}

/** What the ledger knows of a device, or nothing yet. */
export function findLedgerDevice(ledger: DeviceLedger, label: string): LedgerDevice {
  const found = ledger.devices.find((one) => one.label === label)
  return (
    found ?? {
      label,
      uuid: null,
      verified: null,
      approved: null,
      knownFiles: [],
      forward: null,
      leftSince: null,
    }
  )
}

/** The ledger with this device in the place of the one of its label. */
export function putLedgerDevice(ledger: DeviceLedger, changed: LedgerDevice): DeviceLedger {
  const others = ledger.devices.filter((one) => one.label !== changed.label)
  const devices = [...others, changed].sort((a, b) => (a.label < b.label ? -1 : 1))
  return { ...ledger, devices }
}

/**
 * The ledger with a newly approved state. A state that shares registers and packages with the approved one is the same:
 * approving it on a second device asks nothing new of the first, and on the same one nothing new of the others.
 */
export function approveState(ledger: DeviceLedger, next: ApprovedState): DeviceLedger {
  const { approved } = ledger
  const isSame =
    approved !== null &&
    (next.proof === undefined || approved.proof === next.proof) &&
    approved.packages !== null &&
    approved.packages.join('\n') === next.packages?.join('\n') &&
    approved.shared.join() === next.shared.join() &&
    approved.shared.every((index) => {
      const value = approved.registers[index]
      return value !== undefined && value === next.registers[index]
    })
  if (!isSame) return { ...ledger, approved: next }
  return next.label === approved.label
    ? { ...ledger, approved: { ...approved, bank: next.bank, registers: next.registers } }
    : ledger
}

/** A state that a boot from a device is compared with: one that was approved of it, or that `start` believed. */
export type KnownState = {
  readonly at: string
  readonly bootId: string | null
  readonly how: 'accepted' | 'secret-shown' | 'forward-sealed' | 'believed'
  readonly bank: SealBank
  readonly registers: Readonly<Record<string, string>>
  /** `name evr` of each measured package that was installed then; null where that is not known. */
  readonly packages: readonly string[] | null
  /** Its whole boot, where that was kept. */
  readonly boot: ApprovedBoot | null
}

/**
 * The newest state that was approved of a device; where none was, the one that `start` believed before a boot that was given up.
 * Nothing becomes approved by being as it.
 *
 * @returns null where none is known; what an older version wrote counts as none
 */
export function findKnownState(ledger: DeviceLedger, label: string): KnownState | null {
  const { believed } = findLedgerDevice(ledger, label)
  const approved = findApprovedState(ledger, label)
  return approved ?? (believed === undefined ? null : { ...believed, how: 'believed', boot: null })
}

/**
 * The state that a boot from a device is to be like: its own, unless another was approved since, on another device, and what all devices
 * share is another now, or a measured package came in between. Then the older one is no measure any more: it may be an old copy that was
 * put back. Which packages there were must be known of both.
 *
 * @returns null where none is known
 */
export function findComparedState(ledger: DeviceLedger, label: string): KnownState | null {
  const known = findKnownState(ledger, label)
  const { approved } = ledger
  if (known === null || approved === null || approved.bank === null || known.at >= approved.at) return known
  const isOther = approved.shared.some(
    (index) =>
      known.registers[index] !== undefined &&
      approved.registers[index] !== undefined &&
      known.registers[index] !== approved.registers[index],
  )
  // Kernel and initramfs are in no register that devices share: what was installed since tells.
  const wereInstalled = approved.packages?.every((one) => known.packages?.includes(one) === true) === true
  return isOther || !wereInstalled ? null : known
}

/**
 * The newest state that was approved of a device: its approved boot, what was accepted on it without a verified copy, or
 * what it was sealed forward to since.
 *
 * @returns null where none is known; what an older version wrote counts as none
 */
export function findApprovedState(ledger: DeviceLedger, label: string): KnownState | null {
  const { approved, forward } = findLedgerDevice(ledger, label)
  const accepted = ledger.approved?.label === label ? ledger.approved : null
  const states: KnownState[] = []
  if (approved !== null) states.push({ ...approved, packages: namesOf(approved), boot: approved })
  if (forward !== null && forward.bank !== null)
    states.push({
      ...forward,
      bank: forward.bank,
      bootId: null,
      how: 'forward-sealed',
      packages: null,
      boot: null,
      // What came after its boot files were made again is traced from the boot before.
      ...(forward.isReplaced && approved !== null ? { packages: namesOf(approved), boot: approved } : {}),
    })
  if (accepted !== null && accepted.bank !== null)
    states.push({ ...accepted, bank: accepted.bank, how: 'accepted', boot: null })
  return states.reduce<KnownState | null>(
    (newest, state) => (newest === null || state.at > newest.at ? state : newest),
    null,
  )
}

function namesOf({ packages }: ApprovedBoot): readonly string[] | null {
  return packages?.map(({ name, evr }) => `${name} ${evr}`) ?? null
}
