import type { ChainRow } from '../launch/chain.ts'
import type { Session } from '../session/checkpoint.ts'

/** What a report is made of. */
export type ReportInput = {
  readonly session: Session
  /** ISO 8601. */
  readonly closedAt: string
  /** Registers as they were read at the end, in the bank of the baseline; hex by index. */
  readonly values: Readonly<Record<number, string>>
  /** What the last boot measured; null where no launch log could be read. */
  readonly chain: readonly ChainRow[] | null
}
