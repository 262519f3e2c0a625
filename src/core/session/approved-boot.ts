import type { UnsealAnswer } from '../aem/seal-outcome.ts'
import { SEAL_BANKS } from '../aem/tpm.ts'
import * as z from '../form.ts'
import { MEASURED_ROLES } from '../launch/explain-types.ts'
import type { RecordedImage } from '../launch/match-module.ts'
import { onFirstUse } from '../on-first-use.ts'

/** Lower-case hex. */
const hex = onFirstUse(() => z.string().check(z.regex(/^[0-9a-f]+$/)))

/** Lower-case hex by register number. */
export const registerValues = onFirstUse(() => z.record(z.string().check(z.regex(/^[0-9]{1,2}$/)), hex()))

const digests = onFirstUse(() => z.object({ sha1: z.optional(hex()), sha256: z.optional(hex()) }))

const approvedFile = onFirstUse(() =>
  z.object({
    role: z.enum(['mle', 'xen', 'kernel', 'initramfs', 'module', 'sinit']),
    /** As GRUB names it, from the root of the device. */
    path: z.string(),
    /** SHA-256 of the file as it was stored. */
    sha256: z.nullable(hex()),
    /** Digests of the image as it was loaded: unpacked where GRUB unpacks it. */
    digests: digests(),
    /** The launch log of that boot has the digest that these bytes, with their command line, give. */
    isMeasured: z.boolean(),
    /** The package whose file it was, byte for byte; null: of none. */
    package: z.nullable(z.object({ name: z.string(), evr: z.string() })),
  }),
)

/** One extend of a launch. */
export const componentSchema = onFirstUse(() =>
  z.object({
    role: z.enum(MEASURED_ROLES),
    path: z.nullable(z.string()),
    commandLine: z.nullable(z.string()),
    pcr: z.int(),
    digests: z.record(z.string(), hex()),
  }),
)

/** The last boot from a device that a person, or the secret in an approved state, vouched for. */
export const approvedBootSchema = onFirstUse(() =>
  z.object({
    at: z.iso.datetime(),
    bootId: z.nullable(z.string()),
    /** When that boot began; null: not known. */
    bootTime: z.nullable(z.iso.datetime()),
    /** `accepted`: in `resume`, after every change was explained; `secret-shown`: its registers had been approved before. */
    how: z.enum(['accepted', 'secret-shown']),
    bank: z.enum(SEAL_BANKS),
    /** The registers that AEM sealed to, and those that the launch filled beside. */
    registers: registerValues(),
    /** Policy digest of key.pub, or the digest at release of a TPM 1.2 blob, of dom0's copy; null: not read. */
    policy: z.nullable(hex()),
    /** As this boot proved them, by the launch log, /proc/cmdline or `xl info`; null: not proven. */
    commandLines: z.object({
      mle: z.nullable(z.string()),
      xen: z.nullable(z.string()),
      kernel: z.nullable(z.string()),
    }),
    files: z.array(approvedFile()),
    /** The measured packages that were installed when it began; null where they could not be listed. */
    packages: z.nullable(z.array(z.object({ name: z.string(), evr: z.string() }))),
    /** What the boot measured, one extend after the other; null without a log that leads to the registers. */
    components: z.nullable(z.array(componentSchema())),
  }),
)

export type ApprovedBoot = z.infer<ReturnType<typeof approvedBootSchema>>
export type ApprovedFile = ApprovedBoot['files'][number]

/** An image of an approved boot, in the form that a launch log is matched with. */
export type ApprovedImage = RecordedImage & {
  readonly role: ApprovedFile['role']
  /** SHA-256 as it was stored. */
  readonly sha256: string | null
  /** Of the package whose file it was. */
  readonly package: ApprovedFile['package']
}

/**
 * The images that the log of the last approved boot from a device proved. With them a Xen that an update has overwritten
 * in place still proves its command line.
 *
 * @returns digests as loaded; empty where no approved state is known
 */
export function listApprovedImages(
  ledger: { readonly devices: readonly { readonly label: string; readonly approved: ApprovedBoot | null }[] },
  label: string,
): readonly ApprovedImage[] {
  const approved = ledger.devices.find((device) => device.label === label)?.approved ?? null
  return (approved?.files ?? [])
    .filter(({ isMeasured }) => isMeasured)
    .map(({ role, path, sha256, digests: loaded, package: owner }) => ({
      role,
      path,
      sha256,
      digests: {
        ...(loaded.sha1 === undefined ? {} : { sha1: loaded.sha1 }),
        ...(loaded.sha256 === undefined ? {} : { sha256: loaded.sha256 }),
      },
      package: owner,
    }))
}

/** What decides whether a verified boot becomes the approved one. */
export type ApprovalFacts = {
  readonly bootId: string | null
  readonly unseal: UnsealAnswer | null
  /** The selected registers of this boot, by number. */
  readonly registers: Readonly<Record<string, string>>
  /** What a person accepted in the open session. */
  readonly accepted: {
    readonly bootId: string | null
    readonly pcrs: Readonly<Record<string, string>>
  } | null
  /** Its registers are those that were approved of its device before (`decideGround`). */
  readonly isAsApproved: boolean
}

/**
 * Does this boot become the approved one? Where it was accepted itself, or where the TPM released the secret under
 * registers that had been approved before. A seal that AEM made by itself approves nothing.
 */
export function decideApproval(facts: ApprovalFacts): ApprovedBoot['how'] | null {
  const { accepted, bootId, registers, isAsApproved } = facts
  const indices = Object.keys(registers)
  const isAs = (values: Readonly<Record<string, string>>): boolean =>
    indices.length > 0 && indices.every((index) => values[index] === registers[index])
  if (accepted !== null && bootId !== null && accepted.bootId === bootId)
    return isAs(accepted.pcrs) ? 'accepted' : null
  if (facts.unseal !== 'unsealed') return null
  return (accepted === null ? indices.length > 0 && isAsApproved : isAs(accepted.pcrs))
    ? 'secret-shown'
    : null
}
