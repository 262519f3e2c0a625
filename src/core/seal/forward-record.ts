import { SEAL_BANKS } from '../aem/tpm.ts'
import * as z from '../form.ts'
import { onFirstUse } from '../on-first-use.ts'

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

/** The same files with the same contents. */
export function isSameSet(left: readonly DigestedFile[] | null, right: readonly DigestedFile[]): boolean {
  if (left === null || left.length !== right.length) return false
  return left.every(({ name, sha256 }) =>
    right.some((other) => other.name === name && other.sha256 === sha256),
  )
}
