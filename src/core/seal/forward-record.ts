import { SEAL_BANKS } from '../aem/tpm.ts'
import * as z from '../form.ts'
import { onFirstUse } from '../on-first-use.ts'
import { findLedgerDevice, type LedgerLook } from '../session/device-ledger.ts'

const files = onFirstUse(() =>
  z.array(z.object({ name: z.string(), sha256: z.string().check(z.regex(/^[0-9a-f]{64}$/)) })),
)

/**
 * What a forward seal wrote, kept in the session before the first switch: with it, whoever looks later can tell the
 * old sealed files, the forward ones and ones that AEM sealed since apart, by digest and never by name or time.
 */
export const forwardRecordSchema = onFirstUse(() =>
  z.object({
    label: z.string(),
    uuid: z.string(),
    tpmId: z.string(),
    bank: z.enum(SEAL_BANKS),
    /** Register values that were sealed to, by index. */
    values: z.record(z.string(), z.string()),
    next: files(),
    previous: z.object({ dom0: files(), device: files() }),
  }),
)

export type ForwardRecord = z.infer<ReturnType<typeof forwardRecordSchema>>
export type DigestedFile = ForwardRecord['next'][number]

/** A session, as far as its forward seal is looked up in it. */
type WithFindings = { readonly findings: Readonly<Record<string, unknown>> }

/** The record of the session's forward seal, or null where it made none. */
export function forwardRecordOf(session: WithFindings | null): ForwardRecord | null {
  const facts = session?.findings['forward-seal'] as { record?: unknown } | undefined
  const parsed = forwardRecordSchema().safeParse(facts?.record)
  return parsed.success ? parsed.data : null
}

/** Register values that a device was sealed forward to, before their boot, by its label; null: it was not. */
export type ForwardValuesOf = (label: string) => Readonly<Record<number, string>> | null

/** To which registers each device was sealed forward: by the open session, or for its own next boot. */
export function listForwardValues(session: WithFindings | null, look: LedgerLook): ForwardValuesOf {
  const own = forwardRecordOf(session)
  return (label) => {
    if (own?.label === label) return own.values
    return look.state === 'read' ? (findLedgerDevice(look.ledger, label).forward?.registers ?? null) : null
  }
}

/** The same files with the same contents. */
export function isSameSet(left: readonly DigestedFile[] | null, right: readonly DigestedFile[]): boolean {
  if (left === null || left.length !== right.length) return false
  return left.every(({ name, sha256 }) =>
    right.some((other) => other.name === name && other.sha256 === sha256),
  )
}
