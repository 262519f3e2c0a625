import type { BulletinCheck, BulletinList } from './decide-bulletins.ts'
import type { ExposureRow } from './exposure.ts'
import type { LoweredDemand } from './revision.ts'

/** What `bulletin check` found. */
export type CheckAnswer = {
  readonly list: BulletinList
  /** Number of the bulletin that was asked about; null: all. */
  readonly asked: number | null
  readonly check: BulletinCheck
  readonly lowered: readonly LoweredDemand[]
  /** null where the bulletin has no such check; `rows` null where it could not be made. */
  readonly exposure: { readonly rows: readonly ExposureRow[] | null } | null
}
