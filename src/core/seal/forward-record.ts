import * as z from 'zod'
import type { Session } from '../session/checkpoint.ts'

const files = z.array(z.object({ name: z.string(), sha256: z.string().regex(/^[0-9a-f]{64}$/) }))

/**
 * What a forward seal wrote, kept in the session before the first switch: with it, whoever looks later can tell the
 * old sealed files, the forward ones and ones that AEM sealed since apart, by digest and never by name or time.
 */
export const forwardRecordSchema = z.object({
  label: z.string(),
  uuid: z.string(),
  tpmId: z.string(),
  bank: z.enum(['sha1', 'sha256']),
  /** Register values that were sealed to, by index. */
  values: z.record(z.string(), z.string()),
  next: files,
  previous: z.object({ dom0: files, device: files }),
})

export type ForwardRecord = z.infer<typeof forwardRecordSchema>
export type DigestedFile = ForwardRecord['next'][number]

/** The record of the session's forward seal, or null where it made none. */
export function forwardRecordOf(session: Session | null): ForwardRecord | null {
  const facts = session?.findings['forward-seal'] as { record?: unknown } | undefined
  const parsed = forwardRecordSchema.safeParse(facts?.record)
  return parsed.success ? parsed.data : null
}

export function forwardValuesOf(session: Session | null): Readonly<Record<number, string>> | null {
  return forwardRecordOf(session)?.values ?? null
}

/** The same files with the same contents. */
export function isSameSet(left: readonly DigestedFile[] | null, right: readonly DigestedFile[]): boolean {
  if (left === null || left.length !== right.length) return false
  return left.every(({ name, sha256 }) =>
    right.some((other) => other.name === name && other.sha256 === sha256),
  )
}
